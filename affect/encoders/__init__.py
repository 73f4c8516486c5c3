"""Encoders: one modality's Sequence to a Sequence."""

from affect.encoders.base import Encoder, EncoderFactory, LayeredEncoder
from affect.encoders.convolutional import ConvolutionalEncoder
from affect.encoders.pooled import EmbeddingEncoder, PassEncoder, PooledEncoder, StepEncoder
from affect.encoders.pretrained import PretrainedEncoder
from affect.encoders.recurrent import GRUEncoder, LSTMEncoder
from affect.encoders.speakers import SpeakerEncoder
from affect.encoders.transformer import TransformerEncoder

__all__ = [
    "ConvolutionalEncoder",
    "EmbeddingEncoder",
    "Encoder",
    "EncoderFactory",
    "GRUEncoder",
    "LSTMEncoder",
    "LayeredEncoder",
    "PassEncoder",
    "PooledEncoder",
    "PretrainedEncoder",
    "SpeakerEncoder",
    "StepEncoder",
    "TransformerEncoder",
]
