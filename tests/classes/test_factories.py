"""What makes a part is called by the name of the class that it makes, whatever stands in front of it."""

import pytest

import affect
from affect import encoders
from affect.classes.factories import made_by, made_of
from affect.errors import ConfigError
from affect.runs.configuration import parse


def test_a_part_of_a_configuration_is_named_by_its_class():
    model = parse({"corpus": "synthetic", "model": {"encoder": "PooledEncoder"}}, "doc").model
    assert made_of(model.encoder) is encoders.PooledEncoder
    with pytest.raises(
        ConfigError, match=r"^FusionModel: encoder: PooledEncoder takes [\d,]+ GB for its weights, "
    ):
        made_by("encoder", model.encoder, affect.Encoder, 10**6, 10**7)
