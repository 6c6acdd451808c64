// Builds what the browser loads: src/tallybook/web/static/src -> dist. Each file's name carries a hash of what it holds,
// so that a browser may keep it for ever; manifest.json names them ("app.js" -> "app.3f2a….js").
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { build } from "esbuild";

const source = "src/tallybook/web/static/src";
const target = "src/tallybook/web/static/dist";

async function bundle(name) {
  const built = await build({
    entryPoints: [join(source, name)],
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    target: ["es2022"],
    charset: "utf8",
    legalComments: "inline",
    outdir: target,
    logLevel: "warning",
  });
  return [name, built.outputFiles[0].contents];
}

async function picture(name) {
  return [name, await readFile(join(source, name))];
}

function hashed(name, contents) {
  const hash = createHash("sha256").update(contents).digest("hex").slice(0, 12);
  const end = extname(name);
  return `${basename(name, end)}.${hash}${end}`;
}

const pictures = (await readdir(source)).filter((name) => name.endsWith(".svg")).sort();
const files = await Promise.all([bundle("app.js"), bundle("app.css"), ...pictures.map(picture)]);
const manifest = Object.fromEntries(files.map(([name, contents]) => [name, hashed(name, contents)]));
await mkdir(target, { recursive: true });
for (const [name, contents] of files) await writeFile(join(target, manifest[name]), contents);
// The manifest last and at once: a product that runs meanwhile never reads of a file that is not there.
await writeFile(join(target, "manifest.new"), `${JSON.stringify(manifest, null, 1)}\n`);
await rename(join(target, "manifest.new"), join(target, "manifest.json"));
const kept = new Set(["manifest.json", ...Object.values(manifest)]);
for (const name of await readdir(target)) if (!kept.has(name)) await rm(join(target, name));
