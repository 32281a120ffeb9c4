// Bundles what pages load into the crate that serves it, or with --tests the tests, or with --measure what measures
// them. With --into FOLDER elsewhere.

import { build } from "esbuild";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { compile } from "sass";

const into = process.argv.indexOf("--into");
const outdir = into > 0 ? process.argv[into + 1] : "../crates/pages/assets";

if (process.argv.includes("--measure")) {
  await build({
    entryPoints: sources("measure", ".ts"),
    bundle: true,
    minify: true,
    format: "iife",
    globalName: "measure",
    target: "es2022",
    outdir,
  });
} else if (process.argv.includes("--tests")) {
  rmSync("dist-tests", { recursive: true, force: true });
  await build({
    entryPoints: sources("test", ".test.ts"),
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    outdir: "dist-tests",
    outExtension: { ".js": ".mjs" },
  });
} else {
  rmSync(outdir, { recursive: true, force: true });
  mkdirSync(outdir, { recursive: true });
  await build({
    entryPoints: sources("src/pages", ".ts"),
    bundle: true,
    minify: true,
    splitting: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    chunkNames: "shared-[hash]",
    outdir,
  });
  for (const name of ["pages", "console"]) {
    const { css } = compile(`src/styles/${name}.scss`, { style: "compressed", quietDeps: true });
    writeFileSync(`${outdir}/${name}.css`, css);
  }
}

function sources(folder, end) {
  return readdirSync(folder)
    .filter((name) => name.endsWith(end))
    .sort()
    .map((name) => `${folder}/${name}`);
}
