"""What the studio is measured beside: the same codec in a Gradio app, as its documentation builds one."""

from typing import Any


def main() -> None:
    import gradio
    import numpy as np
    import torch

    from surco.audio.io import read_audio, to_int16
    from surco.codec import Codec
    from surco.codec.streaming import SAMPLES

    torch.set_num_threads(1)
    codec = Codec.load()
    held: dict[str, Any] = {}

    def code(path: str, size: float) -> tuple[int, Any]:
        wave = read_audio(path)[:SAMPLES]
        held["vector"] = codec.encode(wave)
        return slide(size)

    def slide(size: float) -> tuple[int, Any]:
        return 22_050, to_int16(np.asarray(codec.decode(held["vector"], int(size))))

    with gradio.Blocks() as app:
        clip = gradio.Audio(type="filepath")
        slider = gradio.Slider(32, 2048, 512)
        sound = gradio.Audio()
        gradio.Button("encode and decode").click(code, [clip, slider], sound, api_name="code")
        slider.release(slide, slider, sound, api_name="slide")
    _, address, _ = app.launch(prevent_thread_lock=True, quiet=True)
    print(address, flush=True)
    app.block_thread()


if __name__ == "__main__":
    main()
