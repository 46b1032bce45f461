"""``data.set`` was called ``data.task``."""

import pytest

from doge_ray.config.load import load_config, validate
from doge_ray.config.parts import load_parts
from doge_ray.config.renames import renamed_settings, say_renamed
from doge_ray.errors import InputError

OLD = "model: some/encoder\ndata: {task: amazon, split: B}\n"
NEW = OLD.replace("task", "set")
WORD = "data.task is now data.set; the old name is still read\n"
MNLI = "data={task: mnli}"


@pytest.fixture(autouse=True)
def _nothing_said_yet():
    say_renamed.cache_clear()


@pytest.fixture
def write(tmp_path):
    def written(text: str) -> str:
        (tmp_path / "mine.yaml").write_text(text)
        return str(tmp_path / "mine.yaml")

    return written


def test_there_is_one_renamed_setting():
    assert renamed_settings() == {"data.task": "data.set"}


def test_an_old_file_is_read_with_one_word(write, capsys):
    old = load_config(write(OLD), ["data.task=amazon", "task=amazon"])
    assert capsys.readouterr().err == WORD
    assert old == load_config(write(NEW))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("override", ["data.task=mnli", "task=mnli", MNLI])
def test_an_old_override_is_read_with_one_word(write, capsys, override):
    changed = ["data={set: mnli}"] if override == MNLI else ["data.set=mnli", "data={set: mnli}"]
    file = write("model: some/encoder\ndata: {set: quickstart}\n")
    assert load_config(file, [override]) == load_config(file, changed)
    assert capsys.readouterr().err == WORD


def test_a_part_may_use_the_old_name(write, capsys, tmp_path):
    sweep = write("model: some/encoder\ndata: {task: quickstart}\n")
    (tmp_path / "both.yaml").write_text(
        f"parts:\n- {{sweep: {sweep}, set: {{data.task: mnli}}}}\n- {{sweep: {sweep}}}\n"
    )
    several = load_parts(str(tmp_path / "both.yaml"))
    assert [part.config.data.set for part in several.parts] == ["mnli", "quickstart"]
    assert capsys.readouterr().err == WORD


def test_what_a_sweep_stored_is_read_without_a_word(write, capsys):
    config = load_config(write(NEW))
    stored = config.model_dump(mode="json")
    stored["data"]["task"] = stored["data"].pop("set")
    assert validate(stored, "sweep.json") == config
    assert "task" in stored["data"]
    assert capsys.readouterr().err == ""


def test_identities_hold_the_old_name(write):
    science = load_config(write(NEW)).science()
    assert science["data.task"] == "amazon"
    assert "data.set" not in science


def test_both_names_at_once_are_refused(write):
    both = "model: some/encoder\ndata: {task: amazon, set: mnli}\n"
    with pytest.raises(InputError, match=r"mine\.yaml: data\.task is the old name of data\.set"):
        load_config(write(both))
