"""How an export is run: a format and a version in; the words of the card, and Ollama's Modelfile, out."""

from heedful.config import GenerationSettings
from heedful.modeling.chat_template import end_of_turn_ids
from heedful.modeling.ollama_template import read_format
from heedful.modeling.protect import Tokenizer
from heedful.registry.versions import Version

GGUF = "model.gguf"

RUN = {
    "peft": """The base stays as it is and the adapter is put on it, here with transformers and PEFT:

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(".")
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("{base}"), ".")
```

`tiny` is the base that lies in the package heedful, under `assets/tiny`.""",
    "merged": """Base and adapter are one model, in float16:

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(".")
model = AutoModelForCausalLM.from_pretrained(".")
```""",
    "gguf": """With llama.cpp; `--jinja` reads the chat format that lies in the file:

```sh
llama-server --model model.gguf --jinja --alias {model} --port 8080
```""",
    "ollama": """In this directory:

```sh
ollama create {model} -f Modelfile
ollama run {model}
```

The Modelfile holds the chat format, the instructions and the settings of a reply.""",
    "vllm": """In this directory:

```sh
vllm serve . --served-model-name {model} --dtype float16 --port 8000
```""",
}


def instructions(kind: str, version: Version, quantization: str) -> str:
    """Markdown."""
    weights = "\n\nIts weights are rounded to 8 bits (q8_0)." if quantization == "q8_0" else ""
    return RUN[kind].replace("{model}", version.id).replace("{base}", version.base) + weights


def modelfile(tokenizer: Tokenizer, system_prompt: str, replies: GenerationSettings, context: int) -> str:
    """https://docs.ollama.com/modelfile. Raises ModelError for a chat format that Ollama cannot say.

    Its repetition penalty stays off: it counts the prompt, and a model that is punished for the end of a turn does not stop.
    """
    quotes = '"""'
    stops = [str(tokenizer.convert_ids_to_tokens(end)) for end in end_of_turn_ids(tokenizer)]
    lines = [
        f"FROM ./{GGUF}",
        f"TEMPLATE {quotes}{read_format(tokenizer).in_go()}{quotes}",
        f"SYSTEM {quotes}{system_prompt.replace(quotes, quotes[:2])}{quotes}",
        *(f"PARAMETER stop {stop}" for stop in stops),
        f"PARAMETER num_ctx {context}",
        f"PARAMETER num_predict {replies.max_new_tokens}",
        f"PARAMETER temperature {replies.temperature}",
        f"PARAMETER top_p {replies.top_p}",
        "PARAMETER repeat_penalty 1.0",
    ]
    return "\n".join(lines) + "\n"
