/** The WebSocket: opens it, notices when it is gone, comes back with back-off, and tells how fast it is. */

import type { ServerMessage, Subscribe } from "../contract";
import { backoff } from "./backoff";

/** A ping this often (ms); */
const PING_EVERY = 3_000;
/** nothing heard for this long (ms), two pings and a slow answer, means cut off: a dead network closes no socket. */
const SILENCE = 8_000;
/** An attempt that has not opened by then (ms) is given up; the worst healthy hand-shake takes a second or two. */
const OPENING = 6_000;
/** Closed for being too slow (1013): come back no sooner than this (ms). */
const TOO_SLOW = 2_000;

export type LinkState =
  | { kind: "connecting" }
  | { kind: "live" }
  /** `since`: wall clock (ms) of the last sign of life; null if there was none yet. */
  | { kind: "lost"; since: number | null };

export class Link {
  state: LinkState = { kind: "connecting" };
  /** Half of a ping's way to the server and back (ms), null before the first. */
  oneWay: number | null = null;
  /** Server clock less the browser's (ms). */
  private skew = 0;

  private socket: WebSocket | null = null;
  private attempt = 0;
  private retry = 0;
  private pinger = 0;
  private heard = 0;
  private everLive = false;

  constructor(
    private readonly url: string,
    private readonly receive: (message: ServerMessage) => void,
    private readonly changed: () => void,
  ) {
    window.addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.hurry();
    });
  }

  /** Server time now (ms). */
  now(): number {
    return Date.now() + this.skew;
  }

  open(): void {
    clearTimeout(this.retry);
    const socket = new WebSocket(this.url);
    this.socket = socket;
    const giveUp = setTimeout(() => this.drop(socket, null), OPENING);
    socket.onopen = () => {
      clearTimeout(giveUp);
      this.heard = performance.now();
      clearInterval(this.pinger);
      this.pinger = window.setInterval(() => this.ping(), PING_EVERY);
    };
    socket.onmessage = (event: MessageEvent<string>) => {
      if (socket !== this.socket) return;
      this.heard = performance.now();
      const message = JSON.parse(event.data) as ServerMessage;
      if (message.type === "pong") this.pong(message.echo, message.server_time);
      else {
        if (message.type === "hello") this.greeted(message.server_time);
        this.receive(message);
      }
    };
    socket.onclose = (event) => {
      clearTimeout(giveUp);
      this.drop(socket, event.code);
    };
  }

  send(message: Subscribe): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  private greeted(serverTime: number): void {
    this.attempt = 0;
    this.everLive = true;
    this.skew = serverTime - Date.now();
    this.state = { kind: "live" };
    this.ping();
    this.changed();
  }

  private ping(): void {
    if (performance.now() - this.heard > SILENCE) {
      if (this.socket) this.drop(this.socket, null);
      return;
    }
    if (this.socket?.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify({ op: "ping", echo: performance.now() }));
    }
  }

  private pong(echo: number, serverTime: number): void {
    const round = performance.now() - echo;
    this.oneWay = this.oneWay === null ? round / 2 : 0.6 * this.oneWay + 0.2 * round;
    this.skew = serverTime + round / 2 - Date.now();
    this.changed();
  }

  private drop(socket: WebSocket, code: number | null): void {
    if (socket !== this.socket) return;
    this.socket = null;
    socket.onmessage = null;
    socket.close();
    clearInterval(this.pinger);
    if (this.state.kind !== "lost") {
      const silent = code === null ? performance.now() - this.heard : 0;
      this.state = { kind: "lost", since: this.everLive ? Date.now() - silent : null };
    }
    this.oneWay = null;
    const wait = backoff(this.attempt++, Math.random());
    this.retry = window.setTimeout(() => this.open(), code === 1013 ? Math.max(wait, TOO_SLOW) : wait);
    this.changed();
  }

  /** The network or the person is back: no reason to wait out the pause. */
  private hurry(): void {
    if (this.state.kind !== "lost" || this.socket) return;
    this.attempt = 0;
    this.open();
  }
}
