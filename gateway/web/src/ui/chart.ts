/** One metric's line in its bands: uPlot draws the lines, the bands and labels are painted around them. */

import uPlot from "uplot";
import type { Level } from "../contract";
import { SPAN } from "../logic/axis";
import { type Band, type Scale, spread } from "../logic/bands";
import type { Curve } from "../logic/track";

/** Room at the right for the bounds' labels (px); the time axis leaves the same. */
export const GUTTER = 38;
/** Points further apart than this (s) are not joined. */
const JOIN = 12;

export interface Picture {
  curve: Curve;
  /** Right end (s), and how much before it is shown (s). */
  end: number;
  span: number;
  scale: Scale;
  bands: Band[];
  bounds: { value: number; text: string; weight: number }[];
  /** Spans in which the data could not tell (s). */
  hatched: [from: number, to: number][];
  /** The verdict that is opened (s). */
  marked: number | null;
  level: Level | null;
}

interface Palette {
  ink: string;
  quiet: string;
  points: string;
  spread: string;
  line: string;
  optimal: string;
  warn: string;
  block: string;
  hatch: string;
  spark: string;
  level: Record<Level, string>;
  font: string;
}

function palette(): Palette {
  const style = getComputedStyle(document.documentElement);
  const read = (name: string) => style.getPropertyValue(name).trim();
  return {
    ink: read("--ink"),
    quiet: read("--quiet"),
    points: read("--points"),
    spread: read("--spread"),
    line: read("--bound"),
    optimal: read("--optimal-wash"),
    warn: read("--warn-wash"),
    block: read("--block-wash"),
    hatch: read("--hatch"),
    spark: read("--spark"),
    level: { OK: read("--ok"), WARN: read("--warn"), BLOCK: read("--block"), UNKNOWN: read("--unknown") },
    font: read("--sans"),
  };
}

export class Chart {
  private readonly plot: uPlot;
  private colours = palette();
  private picture: Picture | null = null;
  private readonly resize: ResizeObserver;
  private readonly theme: MutationObserver;

  /** @param hover called with the index of the second under the pointer, or null */
  constructor(
    host: HTMLElement,
    private readonly height: number,
    hover: (index: number | null) => void,
  ) {
    const few = (u: uPlot, _series: number, _i0: number, _i1: number, gaps: [number, number][]) => {
      const width = u.valToPos(JOIN, "x", true) - u.valToPos(0, "x", true);
      return gaps.filter(([a, b]) => b - a > width);
    };
    const thin = { width: 0, points: { show: false }, gaps: few } as const;
    this.plot = new uPlot(
      {
        width: Math.max(120, host.clientWidth),
        height,
        padding: [4, GUTTER, 4, 0],
        pxAlign: 0,
        legend: { show: false },
        cursor: {
          y: false,
          points: { show: false },
          drag: { x: false, y: false },
          sync: { key: "pulse", setSeries: false },
        },
        scales: {
          x: {
            time: false,
            range: () => [(this.picture?.end ?? SPAN) - (this.picture?.span ?? SPAN), this.picture?.end ?? SPAN],
          },
          y: { range: () => [this.picture?.scale.lo ?? 0, this.picture?.scale.hi ?? 1] },
        },
        axes: [{ show: false }, { show: false }],
        series: [
          {},
          { ...thin },
          { ...thin },
          { width: 1, stroke: () => this.colours.points, points: { show: false }, gaps: few },
          { width: 1.8, stroke: () => this.colours.ink, points: { show: false } },
        ],
        bands: [{ series: [2, 1], fill: () => this.colours.spread }],
        hooks: {
          drawClear: [(u) => this.paintBehind(u)],
          draw: [(u) => this.paintBefore(u)],
          setCursor: [(u) => hover(u.cursor.left !== undefined && u.cursor.left >= 0 ? (u.cursor.idx ?? null) : null)],
        },
      },
      [[], [], [], [], []],
      host,
    );
    this.resize = new ResizeObserver(() => {
      const width = Math.max(120, host.clientWidth);
      if (width !== this.plot.width) this.plot.setSize({ width, height: this.height });
    });
    this.resize.observe(host);
    this.theme = new MutationObserver(() => {
      this.colours = palette();
      this.plot.redraw(false);
    });
    this.theme.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "data-link"] });
  }

  draw(picture: Picture): void {
    this.picture = picture;
    const { x, lo, hi, raw, mean } = picture.curve;
    this.plot.setData([x, lo, hi, raw, mean], true);
  }

  destroy(): void {
    this.resize.disconnect();
    this.theme.disconnect();
    this.plot.destroy();
  }

  private paintBehind(u: uPlot): void {
    const { picture, colours } = this;
    if (!picture) return;
    const { ctx } = u;
    const { left, top, width, height } = u.bbox;
    const y = (value: number) => Math.min(top + height, Math.max(top, u.valToPos(value, "y", true)));
    const fill = (from: number, to: number, colour: string) => {
      const a = y(to);
      const b = y(from);
      if (b <= a) return;
      ctx.fillStyle = colour;
      ctx.fillRect(left, a, width, b - a);
    };
    ctx.save();
    for (const { kind, from, to } of picture.bands) {
      if (kind === "optimal") fill(from, to, colours.optimal);
      else if (kind === "warn") fill(from, to, colours.warn);
      else fill(from, to, colours.block);
      // Past the outermost bound the wash is laid twice: a crisis is darker than a BLOCK.
      if (kind === "crisis") fill(from, to, colours.block);
    }
    ctx.strokeStyle = colours.line;
    ctx.lineWidth = uPlot.pxRatio;
    ctx.beginPath();
    for (const { value } of picture.bounds) {
      if (value <= picture.scale.lo || value >= picture.scale.hi) continue;
      const at = Math.round(y(value)) + 0.5;
      ctx.moveTo(left, at);
      ctx.lineTo(left + width, at);
    }
    ctx.stroke();
    for (const [from, to] of picture.hatched) this.hatch(u, from, to);
    ctx.restore();
  }

  /** UNKNOWN is grey with a hatch: here nobody could tell. */
  private hatch(u: uPlot, from: number, to: number): void {
    const { ctx } = u;
    const { left, top, width, height } = u.bbox;
    const a = Math.max(left, u.valToPos(from, "x", true));
    const b = Math.min(left + width, u.valToPos(to, "x", true));
    if (b <= a) return;
    const step = 7 * uPlot.pxRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(a, top, b - a, height);
    ctx.clip();
    ctx.strokeStyle = this.colours.hatch;
    ctx.lineWidth = uPlot.pxRatio;
    ctx.beginPath();
    for (let x = Math.floor((a - height) / step) * step; x < b; x += step) {
      ctx.moveTo(x, top + height);
      ctx.lineTo(x + height, top);
    }
    ctx.stroke();
    ctx.restore();
  }

  private paintBefore(u: uPlot): void {
    const { picture, colours } = this;
    if (!picture) return;
    const { ctx } = u;
    const { left, top, width, height } = u.bbox;
    const px = uPlot.pxRatio;
    ctx.save();
    ctx.font = `${10.5 * px}px ${colours.font}`;
    ctx.fillStyle = colours.quiet;
    ctx.textBaseline = "middle";
    const labels = picture.bounds
      .map((bound) => ({ ...bound, at: u.valToPos(bound.value, "y", true) }))
      .filter(({ at }) => at > top + 3 * px && at < top + height - 3 * px);
    for (const { text, at } of spread(labels, 11 * px)) ctx.fillText(text, left + width + 7 * px, at);
    if (picture.marked !== null && picture.marked >= picture.end - picture.span && picture.marked <= picture.end) {
      const x = Math.round(u.valToPos(picture.marked, "x", true)) + 0.5;
      ctx.strokeStyle = colours.spark;
      ctx.lineWidth = px;
      ctx.setLineDash([3 * px, 3 * px]);
      ctx.beginPath();
      ctx.moveTo(x, top);
      ctx.lineTo(x, top + height);
      ctx.stroke();
      ctx.setLineDash([]);
    }
    const { x, mean } = picture.curve;
    const last = mean.length - 1;
    const value = mean[last];
    const when = x[last];
    if (picture.level && value !== null && value !== undefined && when !== undefined) {
      const at = Math.min(top + height, Math.max(top, u.valToPos(value, "y", true)));
      ctx.fillStyle = colours.level[picture.level];
      ctx.beginPath();
      ctx.arc(Math.min(left + width, u.valToPos(when, "x", true)), at, 3.2 * px, 0, 2 * Math.PI);
      ctx.fill();
    }
    ctx.restore();
  }
}
