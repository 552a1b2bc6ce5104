"""A merged network of the Llama, Mistral, Qwen2 or Qwen3 family in; the same network as an OpenVINO model out.

On the disk it has a cache of its own (OpenVINO cannot read paged attention from a file); `page` makes the model of it that is run.
That one takes the tokens of many replies in one row: what is new of each, behind one another, and which blocks of the key-value
cache hold what came before. It gives scores only for the rows of the input `rows`: a prompt needs those of its last token.

    input_ids, position_ids [tokens]; past_lens [replies]; subsequence_begins [replies + 1]
    block_indices [blocks], block_indices_begins [replies + 1]; max_context_len []; key_cache.N, value_cache.N; rows [rows]
    logits [rows, vocabulary]
"""

from dataclasses import dataclass
from typing import Any

from heedful.modeling.openvino_runtime import import_openvino
from heedful.modeling.rounding import Weights, rounded_rows

MINUS_INFINITY = -65_504.0
UNITS = 2**40  # of `exact`


def build_graph(network: Any, weights: Weights = "float16") -> Any:
    """An `openvino.Model` that computes in float32. `network` is a transformers model for which `why_no_graph` says None.

    With int8, matrices are stored rounded (`modeling.rounding`); else as they are, and whoever saves it rounds them to float16.
    """
    openvino = import_openvino()
    return openvino.Model(*Builder(openvino, network, weights).build(), "heedful")


def page(model: Any) -> None:
    """Let a built model attend to blocks, and give scores for `rows` alone; in place."""
    import_openvino()
    from openvino._offline_transformations import paged_attention_transformation

    paged_attention_transformation(model)
    only_rows(model)


def why_no_graph(config: Any) -> str | None:
    """None when a base of this transformers configuration can be built; else the reason, in one clause."""
    from heedful.modeling.gguf_file import ARCHITECTURES, is_windowed

    if config.model_type not in ARCHITECTURES:
        return f"architecture {config.model_type!r} is none of {', '.join(ARCHITECTURES)}"
    if config.hidden_act not in ("silu", "swish"):
        return f"its activation is {config.hidden_act!r}, not silu"
    if config.rope_parameters.get("rope_type") in ("dynamic", "longrope"):
        return "its rotary positions change with the length of the text"
    if config.rope_parameters.get("partial_rotary_factor", 1.0) != 1.0:
        return "only a part of its head dimension is rotated"
    if "sliding_attention" in (getattr(config, "layer_types", None) or ()) or is_windowed(config):
        return f"it attends to a window of {config.sliding_window} tokens"
    return None


def only_rows(model: Any) -> None:
    """Let the head see the rows that are asked for alone: it is a third of a small model's work."""
    import numpy as np
    from openvino import opset13 as op

    result = model.get_results()[0]
    head = result.input_value(0).get_node()
    while head.get_type_name() != "MatMul":
        head = head.input_value(0).get_node()
    rows = op.parameter([-1], np.int64, name="rows")
    rows.output(0).get_tensor().set_names({"rows"})
    chosen = op.gather(head.input_value(0), rows, op.constant(np.int64(0)))
    head.input(0).replace_source_output(chosen.output(0))
    model.add_parameters([rows])
    model.validate_nodes_and_infer_types()


@dataclass(frozen=True)
class Matrix:
    """A weight as nodes of a graph: `numbers` [rows, columns] and, where they are rounded, the `steps` [rows, 1] of their rows."""

    op: Any
    numbers: Any
    steps: Any

    def whole(self) -> Any:
        return self.scaled(self.numbers, self.steps)

    def rows(self, chosen: Any) -> Any:
        """What stands in the rows of the numbers `chosen`; no other row is made a float."""
        import numpy as np

        axis = self.op.constant(np.int64(0))
        return self.scaled(*(None if node is None else self.op.gather(node, chosen, axis) for node in (self.numbers, self.steps)))

    def scaled(self, numbers: Any, steps: Any) -> Any:
        """In this form OpenVINO multiplies by eight bits as they are; steps of float16 would be a form that it does not know."""
        return numbers if steps is None else self.op.multiply(self.op.convert(numbers, "f32"), steps)


class Builder:
    """The network as it attends to a cache of its own, in the form that `paged_attention_transformation` knows.

    That form: a variable for the keys and one for the values of each layer, [batch, heads, tokens, head].
    """

    def __init__(self, openvino: Any, network: Any, weights: Weights) -> None:
        from openvino import opset13

        from heedful.modeling.gguf_file import head_size

        self.openvino, self.op = openvino, opset13
        self.network, self.config = network, network.config
        self.weights: dict[str, Any] = network.state_dict()
        self.rounded = weights == "int8"
        self.head = head_size(network.config)
        self.sinks: list[Any] = []

    def build(self) -> tuple[list[Any], list[Any], list[Any]]:
        """(results, sinks, parameters) of an openvino.Model."""
        self.ids = self.parameter("input_ids", [-1, -1], "i64")
        self.mask = self.parameter("attention_mask", [-1, -1], "i64")
        self.positions = self.parameter("position_ids", [-1, -1], "i64")
        self.beams = self.parameter("beam_idx", [-1], "i32")
        self.causal = self.causal_mask()
        embedding = self.matrix("model.embed_tokens.weight")
        x = embedding.rows(self.op.convert(self.ids, "i32"))
        turn = self.rotary()
        for layer in range(self.config.num_hidden_layers):
            x = self.layer(f"model.layers.{layer}.", layer, x, turn)
        x = self.norm(x, "model.norm.weight")
        tied = "lm_head.weight" not in self.weights or self.config.tie_word_embeddings
        head = embedding if tied else self.matrix("lm_head.weight")
        logits = self.op.matmul(x, head.whole(), False, True)
        result = self.op.result(logits)
        result.output(0).get_tensor().set_names({"logits"})
        return [result], self.sinks, [self.ids, self.mask, self.positions, self.beams]

    def layer(self, prefix: str, number: int, x: Any, turn: tuple[Any, Any]) -> Any:
        op = self.op
        attended = self.attention(f"{prefix}self_attn.", number, self.norm(x, f"{prefix}input_layernorm.weight"), turn)
        x = op.add(x, attended)
        inner = self.norm(x, f"{prefix}post_attention_layernorm.weight")
        gate = op.swish(self.linear(inner, f"{prefix}mlp.gate_proj"))
        return op.add(x, self.linear(op.multiply(gate, self.linear(inner, f"{prefix}mlp.up_proj")), f"{prefix}mlp.down_proj"))

    def attention(self, prefix: str, number: int, x: Any, turn: tuple[Any, Any]) -> Any:
        op, heads, groups = self.op, self.config.num_attention_heads, self.config.num_key_value_heads
        query = self.rotate(self.heads(x, f"{prefix}q_proj", heads, f"{prefix}q_norm.weight"), turn)
        key = self.rotate(self.heads(x, f"{prefix}k_proj", groups, f"{prefix}k_norm.weight"), turn)
        value = self.heads(x, f"{prefix}v_proj", groups, "")
        key = self.repeat(self.remember(f"past_key_values.{number}.key", key, groups), groups)
        value = self.repeat(self.remember(f"past_key_values.{number}.value", value, groups), groups)
        scale = self.exact(1.0 / self.head**0.5)
        found = op.scaled_dot_product_attention(query, key, value, self.causal, scale)
        joined = op.reshape(op.transpose(found, self.integers(0, 2, 1, 3)), self.integers(0, 0, heads * self.head), True)
        return self.linear(joined, f"{prefix}o_proj")

    def heads(self, x: Any, name: str, count: int, norm: str) -> Any:
        """[batch, count, tokens, head]; Qwen3 norms each head of queries and keys."""
        split = self.op.reshape(self.linear(x, name), self.integers(0, 0, count, self.head), True)
        if norm in self.weights:
            split = self.norm(split, norm)
        return self.op.transpose(split, self.integers(0, 2, 1, 3))

    def remember(self, name: str, new: Any, groups: int) -> Any:
        """What the cache holds, and behind it what is new; both are kept."""
        op = self.op
        info = self.openvino.op.util.VariableInfo()
        info.data_shape = self.openvino.PartialShape([-1, groups, -1, self.head])
        info.data_type, info.variable_id = self.openvino.Type.f32, name
        variable = self.openvino.op.util.Variable(info)
        batch = op.gather(op.shape_of(self.ids, "i64"), self.integers(0), self.integer(0))
        empty = op.broadcast(self.array(0.0), op.concat([batch, self.integers(groups, 0, self.head)], 0))
        past = op.gather(op.read_value(empty, variable), self.beams, self.integer(0))
        whole = op.concat([past, new], 2)
        self.sinks.append(op.assign(whole, variable))
        return whole

    def repeat(self, x: Any, groups: int) -> Any:
        """Each head of keys or values for all queries of its group."""
        op, times = self.op, self.config.num_attention_heads // groups
        if times == 1:
            return x
        wide = op.broadcast(op.unsqueeze(x, self.integer(2)), self.integers(1, 1, times, 1, 1), broadcast_spec="BIDIRECTIONAL")
        return op.reshape(wide, self.integers(0, groups * times, -1, self.head), True)

    def rotary(self) -> tuple[Any, Any]:
        """Cosines and sines, [batch, 1, tokens, head], with the frequencies and the scale that transformers found."""
        op, source = self.op, self.network.model.rotary_emb
        frequencies = self.exact(source.inv_freq.double().cpu().numpy()[None, :, None])
        positions = op.convert(op.unsqueeze(self.positions, self.integer(1)), "f32")
        angles = op.transpose(op.matmul(frequencies, positions, False, False), self.integers(0, 2, 1))
        both = op.concat([angles, angles], 2)
        cosines, sines = op.cos(both), op.sin(both)
        if source.attention_scaling != 1.0:
            scale = self.exact(source.attention_scaling)
            cosines, sines = op.multiply(cosines, scale), op.multiply(sines, scale)
        return op.unsqueeze(cosines, self.integer(1)), op.unsqueeze(sines, self.integer(1))

    def rotate(self, x: Any, turn: tuple[Any, Any]) -> Any:
        op, half = self.op, self.head // 2
        first = op.slice(x, self.integers(0), self.integers(half), self.integers(1), self.integers(3))
        second = op.slice(x, self.integers(half), self.integers(self.head), self.integers(1), self.integers(3))
        other = op.concat([op.multiply(second, self.array(-1.0)), first], 3)
        return op.add(op.multiply(x, turn[0]), op.multiply(other, turn[1]))

    def norm(self, x: Any, name: str) -> Any:
        """RMSNorm over the last dimension."""
        op = self.op
        squares = op.reduce_mean(op.power(x, self.array(2.0)), self.integers(-1), True)
        root = op.sqrt(op.add(squares, self.exact(self.config.rms_norm_eps)))
        return op.multiply(op.multiply(x, op.divide(self.array(1.0), root)), self.constant(self.weight(name)))

    def linear(self, x: Any, name: str) -> Any:
        found = self.op.matmul(x, self.matrix(f"{name}.weight").whole(), False, True)
        return self.op.add(found, self.constant(self.weight(f"{name}.bias"))) if f"{name}.bias" in self.weights else found

    def causal_mask(self) -> Any:
        """Only the transformation reads it: paged attention looks back by itself."""
        op = self.op
        allowed = op.convert(op.unsqueeze(op.unsqueeze(self.mask, self.integer(1)), self.integer(1)), "f32")
        return op.multiply(op.subtract(self.array(1.0), allowed), self.array(MINUS_INFINITY))

    def matrix(self, name: str) -> "Matrix":
        numbers = self.weight(name)
        if not self.rounded:
            return Matrix(self.op, self.constant(numbers), None)
        numbers, steps = rounded_rows(numbers)
        return Matrix(self.op, self.op.constant(numbers), self.constant(steps.astype("float32")))  # saved as float16 again

    def weight(self, name: str) -> Any:
        return self.weights[name].detach().float().cpu().contiguous().numpy()

    def constant(self, numbers: Any) -> Any:
        return self.op.constant(numbers, shared_memory=True)

    def parameter(self, name: str, shape: list[int], kind: str) -> Any:
        made = self.op.parameter(shape, getattr(self.openvino.Type, kind), name=name)
        made.output(0).get_tensor().set_names({name})
        return made

    def exact(self, numbers: Any) -> Any:
        """Small numbers that are not weights. Written as quotients of integers, else the file would round them to float16, and a
        text of some thousand tokens would be read at other positions."""
        import numpy as np

        op = self.op
        counted = op.constant(np.round(np.asarray(numbers, dtype=np.float64) * UNITS).astype(np.int64))
        return op.divide(op.convert(counted, "f32"), op.convert(self.integer(UNITS), "f32"))

    def array(self, number: float) -> Any:
        import numpy as np

        return np.array(number, dtype=np.float32)

    def integer(self, number: int) -> Any:
        import numpy as np

        return self.op.constant(np.int64(number))

    def integers(self, *numbers: int) -> Any:
        import numpy as np

        return self.op.constant(np.array(numbers, dtype=np.int64))
