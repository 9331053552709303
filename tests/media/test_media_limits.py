import pytest

from pixelbytes_hf.media.media_limits import MediaLimits, describe_source


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("max_frames", lambda limits, size: limits.check_picture(size, 1, 1)),
        ("max_pixels", lambda limits, size: limits.check_picture(1, 1, size)),
        ("max_samples", lambda limits, size: limits.check_sound(size, 1, None)),
        ("max_channels", lambda limits, size: limits.check_sound(1, size, 1)),
        ("max_rate_hz", lambda limits, size: limits.check_sound(1, 1, size)),
        ("max_seconds", lambda limits, size: limits.check_seconds(size)),
        ("max_tokens", lambda limits, size: limits.check_tokens({"image": size - 1, "text": 1})),
    ],
)
def test_each_bound_is_the_last_that_passes(name, check):
    check(MediaLimits(**{name: 7}), 7)
    with pytest.raises(ValueError, match=f"{name}=7"):
        check(MediaLimits(**{name: 7}), 8)


@pytest.mark.parametrize("value", [0, -1, 1.5, True, None, "9"])
def test_bounds_are_whole_numbers(value):
    with pytest.raises(ValueError, match="max_pixels must be an int >= 1"):
        MediaLimits(max_pixels=value)


def test_sources_have_short_names(tmp_path):
    (tmp_path / "a.gif").write_bytes(b"")
    with (tmp_path / "a.gif").open("rb") as file:
        assert describe_source(file) == describe_source(tmp_path / "a.gif") == str(tmp_path / "a.gif")
    assert describe_source(b"123") == describe_source({"bytes": b"123", "path": None}) == "3 bytes"
    assert describe_source({"bytes": b"123", "path": "a.gif"}) == "a.gif"
