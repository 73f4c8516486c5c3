"""Small pretrained encoders with drawn weights, as folders that `from_pretrained` reads."""

import torch
import transformers

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "so", "good", "un", "##believ", "##ably", "bad", "film"]
PLACES = 12  # tokens that the small encoders read at once


def write(folder, config, tokenizer, drop=None):
    """A small encoder with drawn weights, as a folder that `from_pretrained` reads."""
    from safetensors.torch import save_file

    tokenizer.save_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.AutoModel.from_config(config)
    # weights far from zero, so that every position and neighbour shows in the hidden states
    weights = {k: 3 * v if v.ndim > 1 else v for k, v in model.state_dict().items() if k != drop}
    config.save_pretrained(folder)
    save_file({k: v.clone() for k, v in weights.items()}, folder / "model.safetensors", {"format": "pt"})
    return folder


def word_pieces():
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(
        models.WordPiece({piece: i for i, piece in enumerate(PIECES)}, unk_token="[UNK]"),
    )
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=PLACES,
        pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
    )  # fmt: skip


def byte_level(special):
    """A tokenizer of bytes without a limit, with a start and an end where the encoder wants them."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    names = ["<s>", "<pad>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({name: i for i, name in enumerate(names)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    if special:
        tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    options = {"model_input_names": ["input_ids", "attention_mask"]}  # as the files of these families say
    if special:
        options["pad_token"] = "<pad>"
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", **options)


def bert(folder, **options):
    config = transformers.BertConfig(
        vocab_size=len(PIECES), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=PLACES,
    )  # fmt: skip
    return write(folder, config, word_pieces(), **options)


def xlnet(folder):
    """Its special tokens stand behind a text, the last of a segment of its own."""
    from tokenizers import processors

    own = word_pieces().backend_tokenizer
    own.post_processor = processors.TemplateProcessing(
        single="$A:0 [SEP]:0 [CLS]:2", special_tokens=[("[SEP]", 3), ("[CLS]", 2)]
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=own, pad_token="[PAD]", unk_token="[UNK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )  # fmt: skip
    config = transformers.XLNetConfig(
        vocab_size=len(PIECES), d_model=16, n_layer=2, n_head=2, d_inner=16, pad_token_id=0
    )
    return write(folder, config, tokenizer)
