/** Messages of any shape that mean nothing to Longhaul under `name`, drawn from a seed. */
const malformed = (seed, name, count) => {
  let state = seed >>> 0;
  const random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const one = (list) => list[Math.floor(random() * list.length)];
  const circle = () => {
    const circle = { name };
    circle.longhaul = circle;
    return circle;
  };
  const deep = () => {
    let deep = name;
    for (let n = 0; n < 500; n += 1) deep = random() < 0.5 ? [deep] : { longhaul: deep };
    return [deep];
  };
  // Neither undefined nor a string: either would make a message that means "read again".
  const odd = () =>
    one([
      () => null,
      () => Number.NaN,
      () => -0,
      () => 2n ** 70n,
      () => random() < 0.5,
      () => Math.floor(random() * 2 ** 40),
      () => new Date(Number.NaN),
      () => /(a+)+$/gi,
      () => new Map([[name, new Set([name])]]),
      () => new Error(name),
      () => new DOMException(name, "QuotaExceededError"),
      () => new Uint8Array(Math.floor(random() * 1000)),
      () => new Blob([name]),
      () => Object(name),
      () => [name, , undefined],
      () => Object.assign(Object.create(null), { toString: "no function" }),
      () => JSON.parse('{ "__proto__": { "longhaul": true }, "constructor": { "prototype": 1 } }'),
      circle,
      deep,
    ])();
  const text = () =>
    one(["", "\0", "longhaul/1/longhaul/a/1/1", "<img src=x onerror=alert(1)>", "\u202egpj.exe", "constructor", "x".repeat(100_000)]);
  const any = () => one([odd, odd, text, () => undefined])();
  const shapes = [
    any,
    () => [any(), any()],
    () => ({ download: any(), ask: "state" }),
    () => ({ longhaul: odd(), download: text() }),
    () => ({ longhaul: [name], download: text(), ask: "state" }),
    () => ({ longhaul: `${name}${one([" ", "\0", "/", "2"])}`, ask: "state" }),
    () => ({ longhaul: name.toUpperCase(), download: text() }),
    () => ({ longhaul: name, download: odd(), ask: one(["state", odd()]) }),
    () => ({ longhaul: name, download: odd(), entry: { seq: 1, event: { type: "success" } }, command: "forget" }),
    () => ({ data: { longhaul: name, ask: "state" } }),
    () => Object.defineProperty({ longhaul: name, download: [] }, "ask", { get: () => "state", enumerable: true }),
  ];
  return Array.from({ length: count }, () => one(shapes)());
};
