from pathlib import Path

import pytest

from doge_ray.config import Range, SweepConfig, TrainConfig, load_config, load_parts
from doge_ray.config.document import reference
from doge_ray.errors import InputError
from doge_ray.shipped import SWEEPS

BASE = "model: some/encoder\ndata: {set: amazon}\n"


@pytest.fixture
def file(tmp_path) -> str:
    (tmp_path / "mine.yaml").write_text(BASE)
    return str(tmp_path / "mine.yaml")


@pytest.mark.parametrize("path", sorted(SWEEPS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_sweep_parses(path):
    sweep = load_parts(path.stem) or load_config(path.stem)
    assert sweep.name == path.stem


@pytest.mark.parametrize("path", sorted(SWEEPS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_sweep_says_what_it_reproduces_costs_needs_and_what_is_published(path):
    head = [line for line in path.read_text().splitlines() if line.startswith("# ")]
    words = [line.split()[1] for line in head]
    topics = [word for word in words if word in ("Reproduces", "Costs", "Data", "Published")]
    assert topics == ["Reproduces", "Costs", "Data", "Published"]


def test_sweeps_are_shipped():
    tables = {"amazon", "amazon-large", "mnli", "mnli-domains", "table2"}
    figures = {"lambda", "transition"}
    assert {"quickstart", *tables, *figures} <= {path.stem for path in SWEEPS.glob("*.yaml")}


def test_a_minimal_file_is_the_papers_protocol(file):
    config = load_config(file)
    assert (config.name, config.model, config.data.split) == ("mine", "some/encoder", "A")
    assert config.search.learning_rate == (1e-5, 2e-5, 3e-5, 5e-5)
    assert config.search.batch_size == (16, 32)
    assert config.search.variance_weight == (0, 10, 50, 100)
    train = config.train
    assert (train.max_epochs, train.patience, train.max_length) == (10, 3, 256)
    assert (train.weight_decay, train.warmup, train.clip) == (0.01, 0.1, 1.0)
    assert (config.scoring.granularity, config.scoring.min_heads) == ("example", 1)


def test_a_name_in_the_file_wins_over_the_files_name(file):
    Path(file).write_text(BASE + "name: other\n")
    assert load_config(file).name == "other"


def settings(config: SweepConfig) -> dict[str, object]:
    return {
        "train.patience": config.train.patience,
        "data.split": config.data.split,
        "search.learning_rate": config.search.learning_rate,
        "search.sparsity": config.search.sparsity,
        "search.batch_size": config.search.batch_size,
        "scoring.batch_size": config.scoring.batch_size,
        "data.limit": config.data.limit,
        "methods": config.methods,
        "seed": config.seed,
    }


OVERRIDES = {
    "train.patience=5": ("train.patience", 5),
    "patience=5": ("train.patience", 5),
    "split=B": ("data.split", "B"),
    "data.limit=null": ("data.limit", None),
    "seed=3": ("seed", 3),
    "scoring.batch_size=8": ("scoring.batch_size", 8),
    "search.batch_size=8": ("search.batch_size", (8,)),
    "search.batch_size=[8, 64]": ("search.batch_size", (8, 64)),
    "learning_rate=1e-5": ("search.learning_rate", (1e-5,)),
    "learning_rate=[1e-5, 2.0e-4]": ("search.learning_rate", (1e-5, 2e-4)),
    "learning_rate={low: 1e-5, high: 1e-3, log: true}": (
        "search.learning_rate",
        Range(low=1e-5, high=1e-3, log=True),
    ),
    "sparsity=0": ("search.sparsity", (0.0,)),
    "sparsity=paper": ("search.sparsity", "paper"),
    "methods=[dense, losing]": ("methods", ("dense", "losing")),
}


@pytest.mark.parametrize("override", OVERRIDES)
def test_an_override_changes_its_setting_alone(file, override):
    key, value = OVERRIDES[override]
    assert settings(load_config(file, [override])) == settings(load_config(file)) | {key: value}


def test_the_last_of_several_overrides_counts(file):
    assert load_config(file, ["patience=4", "seed=1", "train.patience=5"]).train.patience == 5


def test_an_override_may_choose_other_data(file):
    config = load_config(
        file,
        ["set=files", "path=x.csv", "data.source_domains=[a]", "data.target_domains=[b]"],
    )
    assert (config.data.set, config.data.path) == ("files", "x.csv")


REFUSED = {
    "train.patiense=2": "unknown key 'train.patiense'; did you mean 'train.patience'?",
    "patiense=2": "unknown key 'patiense'; did you mean 'train.patience'?",
    "modle=x": "unknown key 'modle'; did you mean 'model'?",
    "trian.patience=2": "unknown key 'trian'; did you mean 'train'?",
    "data.splitt=B": "unknown key 'data.splitt'; did you mean 'data.split'?",
    "zzz=1": "unknown key 'zzz'",
    "batch_size=8": "batch_size: several settings have that name: scoring.batch_size, search.batch",
    "patience=soon": "train.patience='soon': input should be a valid integer",
    "patience=0": "train.patience=0: input should be greater than or equal to 1",
    "sampler=gird": "search.sampler='gird': input should be 'tpe', 'random' or 'grid'",
    "data.set=imdb": "data.set='imdb'; allowed: amazon, mnli, quickstart, files",
    "data={}": "data.set=None; allowed: amazon, mnli, quickstart, files",
    "data.split=D": "data.split='D': input should be 'A', 'B' or 'C'",
    "set=files": "data.path is not set; it has no default",
    "sparsity=1.2": "search.sparsity=1.2 is impossible; allowed: a fraction: 0 <= sparsity < 1",
    "sparsity={low: 0.5, high: 1}": "search.sparsity=1 is impossible",
    "sparsity=papr": "search.sparsity.0='papr': that is no number, nor a name",
    "methods=doge": "methods='doge': write a list, as in methods=[a, b]",
    "data=amazon": "data='amazon': write its settings inside it, as in data: {set: amazon}",
    "paper={dogge: 71}": "'dogge' is no method",
    "sparsity=[]": "search.sparsity is empty; give at least one value",
    "sparsity={low: 0.5, high: 0.5}": "search.sparsity: low (0.5) must be below high (0.5)",
    "learning_rate={low: 0, high: 0.1, log: true}": "low (0.0) must be positive for a logarithmic",
    "learning_rate=0": "search.learning_rate=0 is impossible; allowed: above 0 and below 1",
    "learning_rate=.nan": "input should be a finite number",
    "variance_weight=-1": "search.variance_weight=-1 is impossible; allowed: zero or more",
    "search.batch_size=0": "search.batch_size=0 is impossible; allowed: one example or more",
    "trial_workers=3": "search.batch_size=16 does not divide by resources.trial_workers=3",
    "sampler=grid": "search.sparsity: a grid needs a list of values, not a range",
    "methods=[doge]": "methods=['doge']: name dense",
    "methods=[dense, doge, doge]": "name dense, which the others are drawn from and compared with",
    "methods=[dense, erm]": "'erm' is no method; allowed: dense, random, winning, doge, losing",
    "methods=[dense, irm+doge]": "'irm+doge' is no method",
    "name=a/b": "name='a/b': allowed are letters, digits, dots",
    "name=..": "name='..': allowed are letters",
    "train=5": "train=5: write its settings inside it, as in train: {patience: 2}",
    "model.size=3": "model.size: model is a single value, it has no settings inside",
    "train.patience": "write key=value, as in train.patience=2",
    "=3": "write key=value",
    "patience==3": "write key=value",
    "split=[}": "'split=[}': the value is not readable as YAML",
    "data.limit=!!int ''": "'' is no int",
    "data.limit=!!timestamp soon": "'soon' is no timestamp",
    "name=2020-13-01": "'2020-13-01' is no timestamp",
    "seed=1" + "0" * 400: "is no int",
    "seed=" + "9" * 5000: "is no int",
    "dropout=!!bool ''": "'' is no bool",
    'sampler="\\ud800"': "is no str",
    "\ud800=1": "is no setting; write key=value",
    "seed={[a]: 1}": "a key is a word, not a list or a mapping",
    "methods=" + "[" * 5000: "more than 40 values inside each other",
    "methods=&a [*a]": "more than 10000 values, references written out",
    "name=" + "n" * 129: "128 at most",
    "name=mlflow.db": "name='mlflow.db' is the storage's own",
    "name=store": "name='store' is the storage's own",
    "storage=": "storage: there is no value; write one",
    "storage=''": "storage: is empty, or holds a NUL character",
    'model="a\\0b"': "model: is empty, or holds a NUL character",
    "model=" + "m" * 256: "model: is too long for a path: 4095 bytes are the most, 255 for each",
    'model="\\ud800"': "is no str",
    "model=~nobody-of-that-name/x": "model: is no path",
}


@pytest.mark.parametrize("override", REFUSED)
def test_a_bad_setting_is_refused_with_its_name_and_what_is_allowed(file, override):
    with pytest.raises(InputError) as refusal:
        load_config(file, [override])
    assert REFUSED[override] in str(refusal.value)


def test_all_problems_of_a_file_are_told_at_once_each_with_its_place(file):
    with pytest.raises(InputError) as refusal:
        load_config(file, ["patience=0", "seed=-1"])
    lines = str(refusal.value).splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"{file}: ") for line in lines)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("train: [1,", "not readable as YAML"),
        ("- model\n- data\n", r"expected settings as key: value, found \['model', 'data'\]"),
        ("", "expected settings as key: value, found None"),
        ("data: {set: amazon}\n", "model is not set; it has no default"),
        (BASE + "trial: 3\n", "unknown key 'trial'"),
        (
            BASE + "seed: 1\nseed: 2\n",
            r"not readable as YAML: 'seed' is given twice; give it once\n.*line 4",
        ),
    ],
    ids=["broken", "a list", "empty", "incomplete", "unknown key", "repeated key"],
)
def test_a_bad_file_is_named(file, content, message):
    Path(file).write_text(content)
    with pytest.raises(InputError, match=rf"mine\.yaml: {message}"):
        load_config(file)


def test_a_file_in_another_encoding_is_named(file):
    Path(file).write_bytes(b"model: \xff\n")
    with pytest.raises(InputError, match=r"mine\.yaml: not readable as YAML"):
        load_config(file)


def test_a_missing_sweep_lists_those_there_are(tmp_path, monkeypatch):
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "own.yaml").write_text(BASE)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"no sweep named 'amazn'; there are: .*own") as refusal:
        load_config("amazn")
    shipped = {path.stem for path in SWEEPS.glob("*.yaml")}
    assert all(name in str(refusal.value) for name in shipped)
    assert "did you mean 'amazon'?" in str(refusal.value)


def test_a_sweep_of_the_working_directory_comes_before_a_shipped_one(tmp_path, monkeypatch):
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "amazon.yaml").write_text(BASE)
    monkeypatch.chdir(tmp_path)
    assert load_config("amazon").model == "some/encoder"


def test_references_of_references_do_not_make_a_value_without_end(tmp_path):
    lines = ["a0: &a0 [x]", *(f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}]" for n in range(60))]
    (tmp_path / "many.yaml").write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"many\.yaml.*more than 10000 values"):
        load_config(str(tmp_path / "many.yaml"))


def test_a_value_may_be_referred_to(tmp_path):
    (tmp_path / "mine.yaml").write_text(BASE + "search: {batch_size: &b [8], vrex_strength: *b}\n")
    assert load_config(str(tmp_path / "mine.yaml")).search.vrex_strength == (8.0,)


def test_ten_thousand_problems_are_told_in_a_few_lines(file):
    rates = ", ".join(["fast"] * 5_000)
    with pytest.raises(InputError, match="4980 problems more") as refusal:
        load_config(file, [f"learning_rate=[{rates}]"])
    assert str(refusal.value).count("\n") < 30


@pytest.mark.parametrize("name", ["n" * 300, "a\0b", "../" * 2000, ""])
def test_an_impossible_name_of_a_sweep_is_refused(name):
    with pytest.raises(InputError, match=r"the sweep's name .* (is empty|is too long)"):
        load_config(name)


def test_a_section_whose_settings_are_all_commented_out_is_empty(tmp_path):
    file = tmp_path / "some.yaml"
    file.write_text(BASE + "train:\n#  patience: 3\n")
    assert load_config(str(file)).train == TrainConfig()
    assert load_config(str(file), ["train.patience=4"]).train.patience == 4


def test_published_results_are_of_the_papers_domains():
    assert load_config("ontonotes", ["data.root=x"]).published("doge") == 58.5
    assert load_config("ontonotes", ["data.target_domains=[ai]"]).published("doge") is None
    assert load_config("mnli", ["num_sources=3"]).published("dense") is None
    draws = [part.config for part in load_parts("mnli-domains").parts[1:]]
    assert all(config.published("dense") in (84.2, 83.0) for config in draws)


def test_the_environment_says_where_results_go_unless_the_sweep_does(file, monkeypatch):
    monkeypatch.delenv("DOGE_RAY_STORAGE", raising=False)
    assert load_config(file).storage == "runs"
    monkeypatch.setenv("DOGE_RAY_STORAGE", "s3://bucket/doge_ray")
    assert load_config(file).storage == "s3://bucket/doge_ray"
    assert load_config(file, ["storage=here"]).storage == "here"
    assert "storage = s3://bucket/doge_ray" in reference()
    assert load_config(file).science() == load_config(file, ["storage=here"]).science()


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("storage=runs/c21 #2", "runs/c21 #2"),
        ("storage='runs/c21 #2'", "runs/c21 #2"),
        ("storage=runs#2", "runs#2"),
        ("storage=#runs", "#runs"),
        ("model=a # b # c", "a # b # c"),
    ],
)
def test_nothing_of_an_override_is_a_comment(file, pair, value):
    config = load_config(file, [pair])
    assert getattr(config, pair.partition("=")[0]) == value


@pytest.mark.parametrize("pair", ["replicates=2 # few", "storage='runs' # or so", "methods=[a] #"])
def test_a_comment_behind_another_value_is_refused(file, pair):
    with pytest.raises(InputError, match="followed by a comment"):
        load_config(file, [pair])


@pytest.mark.parametrize("values", ["[no, sv]", "[2019, 2020]", "[null, a]", "[on, off]"])
def test_words_that_yaml_reads_as_other_values(file, values):
    data = "data={set: files, path: x, target_domains: [a], source_domains: " + values + "}"
    with pytest.raises(InputError, match=r"source_domains\.0=.*YAML reads .* write it in quotes"):
        load_config(file, [data])


def test_a_place_beside_the_sweeps_file_is_found_from_anywhere(tmp_path, monkeypatch):
    there, here = tmp_path / "there", tmp_path / "here"
    for folder in (there / "data", there / "encoder", here):
        folder.mkdir(parents=True)
    data = "{set: files, path: data, source_domains: [a], target_domains: [b]}"
    (there / "mine.yaml").write_text(f"model: encoder\ndata: {data}\n")
    monkeypatch.chdir(here)
    config = load_config(str(there / "mine.yaml"))
    assert (config.model, config.data.path) == (str(there / "encoder"), str(there / "data"))
    (here / "data").mkdir()  # the working directory comes first
    assert load_config(str(there / "mine.yaml")).data.path == "data"
    assert load_config(str(there / "mine.yaml"), ["data.path=encoder"]).data.path == "encoder"


@pytest.mark.parametrize(
    "pair",
    ["replicates=yes", "train.max_epochs=on", "search.batch_size=[true]", "train.dropout=no"],
)
def test_a_truth_value_is_no_number(file, pair):
    with pytest.raises(InputError, match="is a truth value, as which YAML reads yes, no, on and o"):
        load_config(file, [pair])


def test_a_key_of_a_section_at_the_top_of_a_file(file):
    Path(file).write_text(Path(file).read_text() + "train.patience: 2\n")
    with pytest.raises(InputError, match=r"'train.patience'; in a file write it inside train, as"):
        load_config(file)


@pytest.mark.parametrize("pair", ["storage=", "name="])
def test_an_override_without_a_value(file, pair):
    with pytest.raises(InputError, match="there is no value; write one"):
        load_config(file, [pair])


def test_a_number_for_a_name_is_quoted_twice_in_a_shell(file):
    with pytest.raises(InputError, match="as in \"name='no'\""):
        load_config(file, ["name=2024"])
    assert load_config(file, ["name='2024'"]).name == "2024"
