import io
import struct

import numpy as np
import pytest
import soundfile
from media_files import sound_file

from dataset_builder.pokemon import CSV_FOLDER, clean_description, make_record, read_species
from dataset_builder.record import UnusableRecordError
from dataset_builder.sources import LocalSource
from pixelbytes_hf.media.pictures import read_frames


def wav(samples, rate=8000):
    target = io.BytesIO()
    soundfile.write(target, np.asarray(samples, np.float32), rate, format="WAV", subtype="FLOAT")
    return target.getvalue()


def gif_claiming(width, height):
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0)
    return screen + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02D\x01\x00;"


@pytest.fixture
def source(pokeapi):
    return LocalSource(pokeapi)


@pytest.fixture
def species(source):
    return next(read_species(source))


@pytest.fixture
def files(source, species):
    return [source.read(location) for location in species.locations]


def edit_table(pokeapi, name, edit):
    path = pokeapi / "pokeapi" / CSV_FOLDER / f"{name}.csv"
    path.write_text(edit(path.read_text(encoding="utf-8")), encoding="utf-8")


def test_species_are_read_from_the_tables(source):
    species = list(read_species(source))
    assert [each.id for each in species] == list(range(1, 13))
    assert species[6]._asdict() == {
        "id": 7,
        "name": "Species 7",
        "text": "It likes sunlight. Number 7.",
        "types": ("fire", "water"),
        "generation": 2,
        "family_id": 103,
    }


def test_number_of_species_limits_the_ids(source):
    assert [each.id for each in read_species(source, num_species=3)] == [1, 2, 3]
    with pytest.raises(ValueError, match="num_species"):
        next(read_species(source, num_species=0))


def test_newest_description_is_taken_where_the_game_has_none(source, pokeapi):
    edit_table(
        pokeapi,
        "pokemon_species_flavor_text",
        lambda text: text.replace('\n1,33,9,"It likes', '\n1,9,9,"Newest."\n2,34,9,"Newer.'),
    )
    species = list(read_species(source, num_species=2))
    assert species[0].text == "Newest."
    assert species[1].text == "It likes sunlight. Number 2."


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("one\ntwo\fthree\r\nfour", "one two three four"),
        ("con\u00ad\nvert", "convert"),
        ("con\u00advert", "convert"),
        ("steel-\nhard", "steel-hard"),
        ("a pause -\nthen", "a pause - then"),
        ("  wide   space\n", "wide space"),
        ("Pok\u00e9mon\u2019s", "Pok\u00e9mon\u2019s"),
    ],
)
def test_descriptions_lose_the_games_line_breaks(text, clean):
    assert clean_description(text) == clean


def test_record_keeps_the_original_and_adds_the_rest(species, files):
    record = make_record(species, *files)
    assert record["sprite"]["bytes"] == files[0]
    original, pixels = (read_frames(record[column]["bytes"]) for column in ("sprite", "pixels"))
    assert len(original.array) == len(pixels.array) == 4
    assert original.durations_ms == pixels.durations_ms == (10, 20, 30, 40)
    assert pixels.array.shape[1:3] == (50, 50)
    samples, rate = soundfile.read(io.BytesIO(record["audio"]["bytes"]))
    assert (samples.shape, rate) == ((400, 2), record["sampling_rate"])
    mono, _ = soundfile.read(io.BytesIO(files[1]))
    assert np.abs(samples[:, 0] - mono / np.abs(mono).max()).max() < 2 / 2**15


BAD_SPRITES = {
    "truncated in a frame": lambda gif: gif[: len(gif) - 30],
    "truncated between frames": lambda gif: gif[:-1],
    "truncated in its head": lambda gif: gif[:9],
    "no frame": lambda _: b"GIF89a" + struct.pack("<HHBBB", 10, 10, 0, 0, 0) + b";",
    "no pixel": lambda _: gif_claiming(0, 0),
    "bomb": lambda _: gif_claiming(60000, 60000),
    "page": lambda _: b"<html>not found</html>;",
    "empty": lambda _: b"",
}
BAD_CRIES = {
    "page": lambda _: b"<html>not found</html>",
    "nothing": lambda _: b"",
    "truncated": lambda ogg: ogg[:40],
    "truncated in its sound": lambda ogg: ogg[: len(ogg) * 6 // 10],
    "truncated on its last page": lambda ogg: ogg[:-1],
    "too many channels": lambda _: wav(np.full((4000, 65), 0.1)),
    "more than float32": lambda _: sound_file(np.array([0.1, 1e308] * 99), 8000, "WAV", "DOUBLE"),
    "no sample": lambda _: wav(np.zeros((0, 1))),
    "too short": lambda _: wav([0.1, 0.2], rate=48000),
    "nan": lambda _: wav([0.1, np.nan, 0.2] * 100),
    "infinity": lambda _: wav([0.1, np.inf, 0.2] * 100),
}


@pytest.mark.parametrize("bad", BAD_SPRITES)
def test_bad_sprites_are_named(species, files, bad):
    with pytest.raises(UnusableRecordError) as caught:
        make_record(species, BAD_SPRITES[bad](files[0]), files[1])
    assert caught.value.reason == "sprite unreadable"
    assert caught.value.detail


@pytest.mark.parametrize("bad", BAD_CRIES)
def test_bad_cries_are_named(species, files, bad):
    with pytest.raises(UnusableRecordError) as caught:
        make_record(species, files[0], BAD_CRIES[bad](files[1]))
    assert caught.value.reason == "cry unreadable"
    assert caught.value.detail


@pytest.mark.parametrize("cut", range(0, 100, 7))
def test_no_cut_sprite_passes(species, files, cut):
    with pytest.raises(UnusableRecordError):
        make_record(species, files[0][: len(files[0]) * cut // 100], files[1])


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"name": ""}, "name missing"), ({"text": ""}, "description missing"), ({"types": ()}, "types missing")],
)
def test_missing_facts_are_named(species, files, change, reason):
    with pytest.raises(UnusableRecordError, match=reason):
        make_record(species._replace(**change), *files)


@pytest.mark.parametrize("extra", [b"\n", b"\0\0", b"saved by a mailer"])
def test_what_follows_a_sprites_end_does_not_drop_it(species, files, extra):
    pixels = [make_record(species, sprite, files[1])["pixels"] for sprite in (files[0], files[0] + extra)]
    assert pixels[0] == pixels[1]


def test_bad_files_are_named_by_their_file(species, files):
    for sprite, cry, name in ((files[0][:-9], files[1], "1.gif"), (files[0], files[1][:-9], "1.ogg")):
        with pytest.raises(UnusableRecordError, match=f"{name} is not a readable"):
            make_record(species, sprite, cry)


def test_missing_files_are_named(species, files):
    with pytest.raises(UnusableRecordError, match="sprite missing: species 1 'Species 1'"):
        make_record(species, None, files[1])
    with pytest.raises(UnusableRecordError, match="cry missing"):
        make_record(species, files[0], None)


@pytest.mark.parametrize(
    ("name", "edit", "error", "message"),
    [
        ("types", None, FileNotFoundError, r"types\.csv"),
        ("types", lambda text: text.replace("identifier", "x"), ValueError, r"lacks columns \['identifier'\]"),
        ("pokemon_types", lambda text: text + "13,1\n", ValueError, "cut short"),
        ("pokemon_types", lambda text: text + "13,77,1\n", ValueError, "type '77'"),
        ("pokemon_species", lambda text: text + "13,x,one,5\n", ValueError, "'one'"),
        ("pokemon_species", lambda text: text + "13,x,1,\n", ValueError, "number was expected"),
    ],
)
def test_broken_tables_are_errors(source, pokeapi, name, edit, error, message):
    if edit is None:
        (pokeapi / "pokeapi" / CSV_FOLDER / f"{name}.csv").unlink()
    else:
        edit_table(pokeapi, name, edit)
    with pytest.raises(error, match=message):
        list(read_species(source))
