"""Ritual symbols and tonal modes: which symbol stands, and which mode fits it or the leading voice."""

from __future__ import annotations

from processors.facts import Facts
from processors.voice_spec import ModeSpec, SymbolSpec, VoicesSpec


def standing_symbol(spec: VoicesSpec, facts: Facts) -> SymbolSpec:
    """The first symbol whose rule holds; none: the resting one."""
    for symbol in spec.symbols:
        if symbol.rule >= 0 and facts.holds(symbol.rule) is True:
            return symbol
    return spec.resting


def fitting_mode(spec: VoicesSpec, symbol: str, leading: str | None) -> ModeSpec | None:
    """The first mode whose symbol stands or whose voice leads; None (neutral) while no voice leads, or none fits."""
    if leading is None:
        return None
    for mode in spec.modes:
        if mode.symbol == symbol or mode.voice == leading:
            return mode
    return None


def mode_reason(mode: ModeSpec | None, symbol: str, leading: str | None) -> str:
    """Why a mode was chosen, in words; with its tone."""
    if mode is None:
        return "no voice leads" if leading is None else f"neither {symbol} nor {leading} has a mode"
    because = f"{symbol} stands" if mode.symbol == symbol else f"{leading} leads"
    return f"tone: {mode.tone}; {because}"
