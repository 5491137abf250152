"""What mends a finding is said for every code, and for the server that it is."""

from __future__ import annotations

import pytest

from cors_service.doctor.codes import Code
from cors_service.doctor.layers import Layer, layers_of
from cors_service.doctor.mending import mend
from tests.doctor.sites import answer

SHOWN = {
    Layer.NGINX: {"Server": "nginx/1.26.3"},
    Layer.APACHE: {"Server": "Apache/2.4.66 (Debian)"},
    Layer.EXPRESS: {"X-Powered-By": "Express"},
    Layer.FLASK: {"Server": "Werkzeug/3.1.3 Python/3.13.5"},
}
NAMES = {Layer.APACHE: "httpd"}


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.HEALTHY])
def test_every_code(code: Code) -> None:
    """For every code but that of health there is a sentence."""
    assert mend(code).endswith(".")


@pytest.mark.parametrize("layer", Layer)
@pytest.mark.parametrize("code", [Code.ACAO_MISSING, Code.ACAO_REPEATED, Code.VARY_MISSING, Code.PREFLIGHT_STATUS])
def test_every_server(code: Code, layer: Layer) -> None:
    """Where the answer shows the server, there is what to write there, and of no other."""
    shown = answer(200, SHOWN[layer])
    assert (layer,) == layers_of(shown)
    own = mend(code, shown).removeprefix(mend(code))
    assert own.startswith(f" {NAMES.get(layer, layer)}: ")
    assert not any(f" {NAMES.get(other, other)}: " in own for other in Layer if other is not layer)


def test_application_behind_a_server() -> None:
    """What the application should have done is said of it; where two write, of both."""
    both = answer(200, SHOWN[Layer.NGINX] | SHOWN[Layer.EXPRESS])
    assert layers_of(both) == (Layer.NGINX, Layer.EXPRESS)
    assert "nginx: " not in mend(Code.ACAO_MISSING, both)
    assert "Express: " in mend(Code.ACAO_MISSING, both)
    repeated = mend(Code.ACAO_REPEATED, answer(200, SHOWN[Layer.NGINX]), both)
    assert "nginx: " in repeated
    assert "Express: " in repeated
