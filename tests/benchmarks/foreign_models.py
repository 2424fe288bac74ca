"""Small models of keras-hub, keras.applications and other packages, for `foreign.py`."""

import keras
import numpy as np

VOCABULARY, LENGTH = 50, 8
TEXT = {"vocabulary_size": VOCABULARY, "num_layers": 4, "hidden_dim": 16, "intermediate_dim": 32}
HEADS = {**TEXT, "num_heads": 2}
GROUPED = {**TEXT, "num_query_heads": 4, "num_key_value_heads": 2}
SHORT = {"max_sequence_length": LENGTH}


def hub(name, **arguments):
    """A builder of a backbone of keras-hub."""

    def build():
        import keras_hub

        return getattr(keras_hub.models, f"{name}Backbone")(**arguments)

    return build


def application(name, **arguments):
    """A builder of a model of `keras.applications`."""
    return lambda: getattr(keras.applications, name)(weights=None, **arguments)


def clip(name):
    """CLIP and SigLIP: an encoder of pictures and one of text."""

    def build():
        from keras_hub import models

        picture = {"patch_size": 4, "hidden_dim": 16, "num_layers": 3, "num_heads": 2,
                   "intermediate_dim": 32, "image_shape": (16, 16, 3)}  # fmt: skip
        text = {"vocabulary_size": VOCABULARY, "embedding_dim": 16, "hidden_dim": 16,
                "num_layers": 3, "num_heads": 2, "intermediate_dim": 32,
                "max_sequence_length": LENGTH}  # fmt: skip
        vision = getattr(models, f"{name}VisionEncoder")(**picture)
        words = getattr(models, f"{name}TextEncoder")(**text)
        more = {"projection_dim": 16} if name == "CLIP" else {}
        return getattr(models, f"{name}Backbone")(vision, words, **more)

    return build


def sam():
    """Segment Anything."""
    from keras_hub import models
    from keras_hub.layers import SAMMaskDecoder, SAMPromptEncoder

    image = models.ViTDetBackbone(
        hidden_size=16, num_layers=4, intermediate_dim=32, num_heads=2,
        global_attention_layer_indices=[1, 3], patch_size=4, num_output_channels=8,
        window_size=2, image_shape=(32, 32, 3),
    )  # fmt: skip
    prompts = SAMPromptEncoder(
        hidden_size=8, image_embedding_size=(8, 8), input_image_size=(32, 32), mask_in_channels=8
    )
    masks = SAMMaskDecoder(
        num_layers=2, hidden_size=8, intermediate_dim=16, num_heads=2, embedding_dim=8,
        num_multimask_outputs=3, iou_head_depth=2, iou_head_hidden_dim=8,
    )  # fmt: skip
    return models.SAMBackbone(image_encoder=image, prompt_encoder=prompts, mask_decoder=masks)


def segformer():
    """SegFormer on a mixed transformer."""
    from keras_hub import models

    return models.SegFormerBackbone(image_encoder=mit(), projection_filters=16)


def mit():
    """A mixed transformer of four stages."""
    from keras_hub import models

    return models.MiTBackbone(
        layerwise_depths=[2, 2], num_layers=2, layerwise_num_heads=[1, 2],
        layerwise_sr_ratios=[2, 1], max_drop_path_rate=0.1, layerwise_patch_sizes=[7, 3],
        layerwise_strides=[4, 2], hidden_dims=[16, 32], image_shape=(32, 32, 3),
    )  # fmt: skip


def flow(name, **arguments):
    """A network of bayesflow, built."""

    def build():
        import bayesflow as bf

        network = getattr(bf.networks, name)(**arguments)
        network.build((None, 4), (None, 6))
        return network

    return build


def summary(name, shape=(None, 10, 3), **arguments):
    """A summary network of bayesflow, built."""

    def build():
        import bayesflow as bf

        network = getattr(bf.networks, name)(**arguments)
        network(keras.ops.ones((2, *shape[1:])))
        return network

    return build


def tcn():
    """keras-tcn: temporal convolutions with residual blocks."""
    from tcn import TCN

    inputs = keras.Input((32, 4))
    x = TCN(nb_filters=16, dilations=(1, 2, 4, 8))(inputs)
    return keras.Model(inputs, keras.layers.Dense(1)(x))


def cross():
    """keras-rs: a deep and cross network with dot interactions."""
    import keras_rs

    inputs = keras.Input((16,))
    x = inputs
    for _ in range(3):
        x = keras_rs.layers.FeatureCross(projection_dim=8)(inputs, x)
    other = keras.layers.Dense(16, activation="relu")(inputs)
    dots = keras_rs.layers.DotInteraction()([x, other])
    x = keras.layers.Concatenate()([x, other, dots])
    return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dense(8, "relu")(x)))


def quantized():
    """hgq2: layers with trained bit widths."""
    import hgq.layers as q

    layers = [q.QDense(16, activation="relu") for _ in range(3)]
    return keras.Sequential([keras.Input((16,)), *layers, q.QDense(2)])


IMAGE = {"image_shape": (32, 32, 3)}
RESNET = {"input_conv_filters": [64], "input_conv_kernel_sizes": [7],
          "stackwise_num_filters": [64, 128], "stackwise_num_blocks": [2, 2],
          "stackwise_num_strides": [1, 2], **IMAGE}  # fmt: skip

MODELS = {
    "GPT2": hub("GPT2", **HEADS, **SHORT),
    "OPT": hub("OPT", **HEADS, **SHORT),
    "BERT": hub("Bert", **HEADS, **SHORT),
    "RoBERTa": hub("Roberta", **HEADS, **SHORT),
    "XLMRoBERTa": hub("XLMRoberta", **HEADS, **SHORT),
    "DistilBERT": hub("DistilBert", **HEADS, **SHORT),
    "ALBERT": hub("Albert", **HEADS, embedding_dim=16, **SHORT),
    "Electra": hub("Electra", vocab_size=50, num_layers=4, num_heads=2, hidden_dim=16,
                   embedding_dim=16, intermediate_dim=32, **SHORT),
    "DeBERTa": hub("DebertaV3", **HEADS, **SHORT, bucket_size=4),
    "FNet": hub("FNet", **TEXT, **SHORT),
    "XLNet": hub("XLNet", **HEADS),
    "ESM": hub("ESM", **HEADS, **SHORT),
    "Roformer": hub("RoformerV2", **HEADS, head_size=8),
    "BART": hub("Bart", **HEADS, **SHORT),
    "T5": hub("T5", **HEADS),
    "Whisper": hub("Whisper", **HEADS, num_mels=8, max_encoder_sequence_length=16,
                   max_decoder_sequence_length=LENGTH),
    "Moonshine": hub("Moonshine", vocabulary_size=50, filter_dim=16, encoder_num_layers=2,
                     decoder_num_layers=2, hidden_dim=16, intermediate_dim=32,
                     encoder_num_heads=2, decoder_num_heads=2),
    "Bloom": hub("Bloom", **HEADS),
    "Falcon": hub("Falcon", **TEXT, num_attention_heads=2),
    "GPTNeoX": hub("GPTNeoX", **HEADS, **SHORT),
    "Llama": hub("Llama", **GROUPED),
    "Llama3": hub("Llama3", **GROUPED),
    "Mistral": hub("Mistral", **GROUPED),
    "Mixtral": hub("Mixtral", **GROUPED, num_experts=2),
    "Gemma": hub("Gemma", **GROUPED, head_dim=4),
    "Gemma3": hub("Gemma3", **GROUPED, head_dim=4, image_size=16),
    "Phi3": hub("Phi3", **GROUPED),
    "Qwen2": hub("Qwen2", **GROUPED),
    "Qwen3": hub("Qwen3", **GROUPED, head_dim=4),
    "QwenMoe": hub("QwenMoe", **GROUPED, moe_intermediate_dim=8,
                   shared_expert_intermediate_dim=16, num_experts=2, top_k=1),
    "GptOss": hub("GptOss", **GROUPED, num_experts=2, top_k=1),
    "RWKV7": hub("RWKV7", hidden_size=16, head_size=8, num_layers=3, vocabulary_size=50,
                 intermediate_dim=32, gate_lora=4, mv_lora=4, aaa_lora=4, decay_lora=4),
    "ViT": hub("ViT", image_shape=(16, 16, 3), patch_size=4, num_layers=4, num_heads=2,
               hidden_dim=16, mlp_dim=32),
    "DeiT": hub("DeiT", image_shape=(16, 16, 3), patch_size=4, num_layers=4, num_heads=2,
                hidden_dim=16, intermediate_dim=32),
    "DINOV2": hub("DINOV2", image_shape=(16, 16, 3), patch_size=4, num_layers=4, num_heads=2,
                  hidden_dim=16, intermediate_dim=32, position_embedding_shape=(16, 16, 3)),
    "Swin": hub("SwinTransformer", image_shape=(32, 32, 3), embed_dim=8, depths=[2, 2],
                num_heads=[1, 2], window_size=4, patch_size=2),
    "MiT": mit,
    "SegFormer": segformer,
    "CLIP": clip("CLIP"),
    "SigLIP": clip("SigLIP"),
    "SAM": sam,
    "ResNet": hub("ResNet", **RESNET, block_type="basic_block"),
    "ResNetV2": hub("ResNet", **RESNET, block_type="bottleneck_block", use_pre_activation=True),
    "CSPDarkNet": hub("CSPNet", stem_filters=8, stem_kernel_size=3, stem_strides=1,
                      stackwise_depth=[1, 2], stackwise_strides=[1, 2],
                      stackwise_num_filters=[16, 32], block_type="dark_block", stage_type="dark",
                      **IMAGE),
    "DenseNet": hub("DenseNet", stackwise_num_repeats=[2, 2], growth_rate=8, **IMAGE),
    "VGG": hub("VGG", stackwise_num_repeats=[2, 2], stackwise_num_filters=[8, 16], **IMAGE),
    "HubEfficientNet": hub(
        "EfficientNet", stackwise_width_coefficients=[1.0] * 2,
        stackwise_depth_coefficients=[1.0] * 2, stackwise_kernel_sizes=[3, 3],
        stackwise_num_repeats=[2, 2], stackwise_input_filters=[16, 16],
        stackwise_output_filters=[16, 24], stackwise_expansion_ratios=[1, 6],
        stackwise_squeeze_and_excite_ratios=[0.25, 0.25], stackwise_strides=[1, 2],
        stackwise_block_types=["v1", "v1"], stackwise_force_input_filters=[0, 0],
        stackwise_nores_option=[False, False], input_shape=(32, 32, 3)),
    **{name: application(name, input_shape=(96, 96, 3)) for name in (
        "ResNet50", "ResNet50V2", "MobileNet", "MobileNetV2", "MobileNetV3Small",
        "MobileNetV3Large", "DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "InceptionV3",
        "InceptionResNetV2", "NASNetMobile", "Xception", "VGG16", "ConvNeXtTiny")},
    "CouplingFlow": flow("CouplingFlow", depth=4),
    "FlowMatching": flow("FlowMatching"),
    "Diffusion": flow("DiffusionModel"),
    "DeepSet": summary("DeepSet"),
    "SetTransformer": summary("SetTransformer"),
    "TimeSeriesTransformer": summary("TimeSeriesTransformer"),
    "TimeSeriesNetwork": summary("TimeSeriesNetwork"),
    "TCN": tcn,
    "Cross": cross,
    "HGQ": quantized,
}  # fmt: skip


def inputs_for(model):
    """Random inputs of a model: two samples."""
    rng = np.random.default_rng(0)

    def one(tensor):
        shape = [2 if i == 0 else size or LENGTH for i, size in enumerate(tensor.shape)]
        if "int" in tensor.dtype:
            high = 2 if "mask" in tensor.name or "segment" in tensor.name else VOCABULARY
            return rng.integers(high == 2, high, shape).astype("int32")
        if tensor.dtype == "bool":
            return np.ones(shape, bool)
        return rng.normal(size=shape).astype("float32")

    if not isinstance(model, keras.Model) or not getattr(model, "inputs", None):
        return rng.normal(size=(2, 10, 3)).astype("float32")
    named = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    return keras.tree.map_structure(one, named)
