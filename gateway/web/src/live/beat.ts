/** Conflation on the page's side: however often data change, a view is drawn at most once a frame, or once in `every` ms. */

import { useEffect, useReducer } from "preact/hooks";

export class Beat {
  private readonly listeners = new Set<() => void>();
  private waiting = false;
  private lastAt = 0;

  constructor(private readonly every = 0) {}

  /** Something changed. */
  emit(): void {
    if (this.waiting) return;
    this.waiting = true;
    const wait = this.lastAt + this.every - performance.now();
    if (wait > 0) setTimeout(() => this.draw(), wait);
    else this.draw();
  }

  private draw(): void {
    requestAnimationFrame(() => {
      this.waiting = false;
      this.lastAt = performance.now();
      for (const listener of this.listeners) listener();
    });
  }

  listen(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

/** Draws the component again at each beat. */
export function useBeat(beat: Beat): void {
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  useEffect(() => beat.listen(() => redraw(undefined as never)), [beat]);
}
