"""What is refused before anything is trained."""

import pytest

from doge_ray.config import load_config
from doge_ray.domains.corpus import load_corpus
from doge_ray.encoders.locate import find_model
from doge_ray.engine.prepare import prepare
from doge_ray.errors import InputError
from tests.engine.project import make_project


@pytest.mark.parametrize("methods", ["[dense, doge]", "[dense, irm]"])
def test_folds_of_two_domains_leave_nothing_to_compare_domains_by(tmp_path, methods):
    """λ would be chosen among tickets that do not differ in the folds."""
    path = make_project(tmp_path, selection="leave_one_domain_out")
    two = ["data.source_domains=[red, green]", f"methods={methods}"]
    config = load_config(str(path), two)
    with pytest.raises(InputError, match="needs 3 source domains"):
        prepare(config, load_corpus(config.data), find_model(config.model))
    fewer = load_config(str(path), [*two[:1], "methods=[dense, winning]"])
    prepare(fewer, load_corpus(fewer.data), find_model(fewer.model))
