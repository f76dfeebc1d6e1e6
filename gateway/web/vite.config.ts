import { defineConfig } from "vite";

// `npm run dev` shows the page against a running gateway; ISKRA_GATEWAY names another than the default port.
const gateway = process.env.ISKRA_GATEWAY ?? "http://127.0.0.1:8080";

export default defineConfig({
  build: {
    target: "es2022",
    // Nothing inlined as data: URLs, so that a strict content security policy (default-src 'self') holds.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: {
      "/api": gateway,
      "/ws": { target: gateway.replace(/^http/, "ws"), ws: true },
    },
  },
  test: { include: ["tests/**/*.test.ts"] },
} as Parameters<typeof defineConfig>[0]);
