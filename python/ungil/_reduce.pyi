from collections.abc import Callable
from typing import Any

def reduce(
    structure: Any,
    function: Callable[[Any], Any],
    combine: Callable[[Any, Any], Any],
    initial: Any,
    workers: int | None,
) -> Any: ...
