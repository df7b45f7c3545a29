// Makes an ES module small: standard input to standard output.
import { text } from "node:stream/consumers";
import { transform } from "esbuild";

const { code } = await transform(await text(process.stdin), {
  format: "esm",
  legalComments: "none",
  minifyWhitespace: true,
  minifySyntax: true,
  minifyIdentifiers: true,
});
process.stdout.write(code);
