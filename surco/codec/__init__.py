"""The neural codec: log-mel clips as one ordered vector, and back through a vocoder."""

from surco.codec.codec import SIZES, Codec, CodecConfig
from surco.codec.streaming import SAMPLES
from surco.codec.texture import Texture
from surco.codec.vector_file import Vectors

__all__ = ["SAMPLES", "SIZES", "Codec", "CodecConfig", "Texture", "Vectors"]
