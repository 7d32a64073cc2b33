"""A codec behind MLflow's pyfunc interface, logged as code.

`predict(x)` encodes sound (B, samples) at 22 050 Hz to vectors (B, D); with
`params={"decode": True}` it decodes vectors (B, d) to sound.
"""

from typing import Any

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel


class CodecModel(PythonModel):
    """Loads the codec of the model's `codec` artifact."""

    def load_context(self, context: Any) -> None:
        from surco.codec import Codec

        self.codec = Codec.load(context.artifacts["codec"])

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> np.ndarray:
        import torch

        x = torch.as_tensor(np.atleast_2d(np.asarray(model_input, dtype=np.float32)))  # (B, T) or (B, d)
        with torch.no_grad():
            y = self.codec.decode(x) if (params or {}).get("decode") else self.codec.encode(x)
        return y.numpy()


set_model(CodecModel())
