"""The model of OTP's rules against OTP itself, where Erlang is installed."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path
from random import Random

import pytest

from actors.spec import Restart
from tests.property import supervision_model as model
from tests.property.cases import cases
from tests.property.supervision_world import Shape

SOURCE = Path(__file__).with_name("otp_supervisor.erl")
REASONS = ("normal", "{shutdown, done}", "boom")
KINDS = ("exit", "exit", "exit", "exit", "fail", "add", "terminate", "restart", "delete")


class OtpSup(model.Sup):
    """Without the project's own ways: what was terminated comes back with its siblings, what was added or deleted is
    so for this life alone, and a supervisor that gave up has ended with `shutdown`.
    """

    def start(self) -> bool:
        self.specs = self.declared = getattr(self, "declared", list(self.specs))
        return super().start()

    def terminate(self, child: model.Node) -> None:
        super().terminate(child)
        child.held = False

    def _end(self, *, normal: bool) -> None:
        del normal
        super()._end(normal=True)


def case(random: Random) -> tuple[str, str]:
    """A tree with its faults as an Erlang term, and the log that the model foretells."""
    world = model.World()
    shape = Shape(world, iter([random.getrandbits(20) for _ in range(12)]), supervisor=OtpSup, dynamic=False)
    root = shape.sup(random.getrandbits(20), depth=0)
    tree = _sup_term(root)
    assert root.start()
    faults = [fault for _ in range(10) if (fault := _fault(root, shape, random)) is not None]
    if root.up:
        root.stop()
    return f"{{{tree}, [{', '.join(faults)}]}}.", ",".join(world.log)


def _fault(root: model.Sup, shape: Shape, random: Random) -> str | None:
    node, kind = random.choice(list(root.tree())), random.choice(KINDS)
    if kind == "add" and isinstance(node, model.Sup) and node.up:
        leaf = shape.leaf(random.choice(list(Restart)))
        node.add(leaf)
        return f"{{add, {node.name}, {_child_term(leaf)}}}"
    if isinstance(node, model.Leaf) and kind == "fail":
        node.failing_starts = random.randrange(4)
        return f"{{fail, {node.name}, {node.failing_starts}}}"
    if isinstance(node, model.Leaf) and kind == "exit" and node.up and node.above is not None:
        reason = random.choice(REASONS)
        node.above.exited(node, normal=reason != "boom")
        return f"{{exit, {node.name}, {reason}}}"
    if kind in {"terminate", "restart", "delete"} and isinstance(node.above, model.Sup) and node.above.up:
        return _request(kind, node, node.above)
    return None


def _request(kind: str, node: model.Node, above: model.Sup) -> str:
    does = {"terminate": above.terminate, "restart": above.start_again, "delete": above.delete}[kind]
    with contextlib.suppress(model.RefusedError):
        does(node)
    return f"{{{kind}, {above.name}, {node.name}}}"


def _sup_term(sup: model.Sup) -> str:
    flags = (
        f"#{{strategy => {sup.strategy}, intensity => {sup.max_restarts}, period => {model.PERIOD_SECONDS:.0f},"
        f" auto_shutdown => {sup.auto_shutdown}}}"
    )
    return f"{{sup, {sup.name}, {flags}, [{', '.join(_child_term(child) for child in sup.specs)}]}}"


def _child_term(node: model.Node) -> str:
    rest = f"{node.restart}, {str(node.significant).lower()}"
    return f"{{{_sup_term(node)}, {rest}}}" if isinstance(node, model.Sup) else f"{{worker, {node.name}, {rest}}}"


@pytest.mark.skipif(shutil.which("erlc") is None, reason="Erlang is not installed")
@pytest.mark.parametrize("seed", [1, 2])
def test_the_model_foretells_what_otps_supervisor_does(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    tried = [case(random) for _ in range(cases(150))]
    path = tmp_path / "cases.terms"
    path.write_text("\n".join(term for term, _ in tried))
    subprocess.run(["erlc", "-o", str(tmp_path), str(SOURCE)], check=True)
    command = ["erl", "-noshell", "-pa", str(tmp_path), "-run", "otp_supervisor", "main", str(path)]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    for (term, foretold), seen in zip(tried, result.stdout.splitlines(), strict=True):
        assert seen == foretold, term
