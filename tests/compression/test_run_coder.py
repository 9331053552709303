"""Pictures whose pixels a run foretells: every bit comes back; another run or machine is refused."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from pxb_contents import EXAMPLES, SPRITE, are_equal, draw_picture

from dataset_builder.creatures import draw
from dataset_builder.mini import draw_attributes
from pixelbytes_hf.cli.main import main
from pixelbytes_hf.compression.compress import compress, decompress
from pixelbytes_hf.compression.contents import FOREVER, Picture
from pixelbytes_hf.compression.helped_formats import RunAnimation, RunStill
from pixelbytes_hf.compression.run_coder import RunCoder
from pixelbytes_hf.media.gif_writer import write_gif
from pixelbytes_hf.media.pictures import read_frames


@pytest.fixture(scope="module")
def coder(run_folder):
    return RunCoder.load(run_folder)


@pytest.fixture(scope="module")
def creature():
    attributes = next(iter(draw_attributes(1)))[1]
    frames = draw(attributes, 0)[:2, :, :, :3]
    return Picture(np.concatenate([frames, np.full_like(frames[..., :1], 255)], -1), (100, 100), FOREVER)


def changed(coder, *, amount):
    """Return the coder of a run one of whose weights differs."""
    model = copy.deepcopy(coder.run.model)
    with torch.no_grad():
        next(model.parameters())[:] *= 1 + amount
    return RunCoder(dataclasses.replace(coder.run, model=model))


def test_a_creature_comes_back(coder, creature):
    data = compress(creature, helper=coder)
    assert are_equal(decompress(data, helper=coder), creature)


def test_colours_that_the_run_knows_take_less_room(coder, creature, monkeypatch):
    """They are numbers of its palette, in the place of 24 bits each."""
    known = len(compress(creature, helper=coder))
    monkeypatch.setattr(RunStill, "_known_colours", lambda self: None)
    monkeypatch.setattr(RunAnimation, "_known_colours", lambda self: None)
    num_colours = len(np.unique(creature.array.reshape(-1, 4), axis=0))
    assert known <= len(compress(creature, helper=coder)) - num_colours


@pytest.mark.parametrize("seed", range(4))
def test_pictures_of_other_colours_come_back(coder, seed):
    picture = draw_picture(np.random.default_rng(seed))
    few = Picture(picture.array[:, :6, :6], *picture[1:])
    assert are_equal(decompress(compress(few, helper=coder), helper=coder), few)


def test_what_is_expected_is_used(coder, creature, monkeypatch):
    """A run that knows every pixel makes the file shorter than counts do."""
    before = len(compress(creature, helper=coder))
    code = RunCoder.code

    def knowing(self, model, colours, shape, end):
        from pixelbytes_hf.compression import run_coder

        real = run_coder.code_pixels

        def with_answer(model, bits, start, stop):
            for colour in range(len(model.hints)):
                model.hints[colour] = 1 if colour != model.image[start] else 1 << 20
            return real(model, bits, start, stop)

        monkeypatch.setattr(run_coder, "code_pixels", with_answer)
        return code(self, model, colours, shape, end)

    monkeypatch.setattr(RunCoder, "code", knowing)
    assert len(compress(creature, helper=coder)) < before / 1.5


def test_no_run_and_another_run_are_refused(coder, creature):
    data = compress(creature, helper=coder)
    with pytest.raises(ValueError, match=f"written with a run of digest {coder.digest().hex()}: pass that run"):
        decompress(data)
    with pytest.raises(ValueError, match=r"written with a run of digest .*, got one of"):
        decompress(data, helper=changed(coder, amount=0.1))


@pytest.mark.parametrize("amount", [1e-3, 1e-2, 1e-1, 1])
def test_a_machine_that_computes_other_probabilities_is_refused(coder, creature, amount, monkeypatch):
    data = compress(creature, helper=coder)
    other = changed(coder, amount=amount)
    digest = coder.digest()
    monkeypatch.setattr(RunCoder, "digest", lambda self: digest)
    with pytest.raises(ValueError, match="this machine computes other probabilities"):
        decompress(data, helper=other)


@pytest.mark.parametrize("name", ["sound", "text", "many colours"])
def test_a_run_foretells_pictures_of_few_colours_only(coder, name):
    with pytest.raises(ValueError, match="a run helps with pictures of up to 256 colours"):
        compress(EXAMPLES[name], helper=coder)


def test_an_objective_that_draws_all_together_is_refused(coder):
    from types import SimpleNamespace

    objective = SimpleNamespace(decoding="parallel", name="masked")
    with pytest.raises(ValueError, match="got the objective 'masked'"):
        RunCoder(dataclasses.replace(coder.run, model=SimpleNamespace(objective=objective)))


def test_the_commands_take_a_run(tmp_path, run_folder, capsys):
    path = tmp_path / "a.gif"
    write_gif(SPRITE[:, 2:6], path, durations_ms=40)
    assert main(["compress", str(path), "--with", str(run_folder)]) == 0
    packed = str(tmp_path / "a.pxb")
    assert main(["decompress", packed]) == 1
    assert "pass that run" in capsys.readouterr().err
    assert main(["decompress", packed, "--with", str(run_folder)]) == 0
    assert np.array_equal(read_frames(tmp_path / "a.png").array, SPRITE[:, 2:6])
