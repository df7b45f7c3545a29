// Makes one small script of a module and what it imports, but for `external`: to standard output. Takes one argument, JSON:
// `entry` (a path), `format` (`esm` or `iife`), `external` (modules that stay apart), `found` (paths of modules by the names they
// are imported by), `define` (what names stand for).
import { build } from "esbuild";

const { entry, format, external, found, define } = JSON.parse(process.argv[2]);

const { outputFiles } = await build({
  entryPoints: [entry],
  bundle: true,
  write: false,
  format,
  define: format === "iife" ? { ...define, "import.meta.url": "undefined" } : define,
  legalComments: "none",
  minifyWhitespace: true,
  minifySyntax: true,
  // Classes have names that apps see.
  minifyIdentifiers: format === "iife",
  target: "es2022",
  plugins: [
    {
      name: "ours",
      setup({ onResolve }) {
        onResolve({ filter: /^\.\// }, ({ path }) => {
          if (external.includes(path)) return { path, external: true };
          return found[path] ? { path: found[path] } : undefined;
        });
      },
    },
  ],
});
process.stdout.write(outputFiles[0].contents);
