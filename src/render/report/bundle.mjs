// bundle.mjs BUILD: makes of page.js, page.css and the libraries in BUILD/node_modules what the report holds: BUILD/script.js
// with the libraries' licences at its head, BUILD/style.css, BUILD/script.hash (as a content security policy names the
// script), and BUILD/licences.txt.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const source = dirname(fileURLToPath(import.meta.url));
const build = resolve(process.argv[2]);
const modules = join(build, 'node_modules');
const { buildSync } = createRequire(join(build, 'package.json'))('esbuild');

// The libraries whose code went into the script.
function packagesIn(metafile) {
    const names = Object.keys(metafile.inputs).map((file) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1]);
    return [...new Set(names.filter(Boolean))].sort();
}

// Each licence once, below the libraries under it and whose they are.
function licencesOf(packages) {
    const texts = new Map();
    for (const name of packages) {
        const { version, license } = JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8'));
        const file = readdirSync(join(modules, name)).find((one) => /^licen[cs]e/i.test(one));
        if (!file) throw new Error(`${name} comes without its licence`);
        const [head, rest] = splitOwner(readFileSync(join(modules, name, file), 'utf8').replace(/\r/g, '').trim());
        texts.set(rest, [...(texts.get(rest) ?? []), `${name} ${version} (${license})${head && `: ${head}`}`]);
    }
    return [...texts].map(([text, owners]) => `${owners.join('\n')}\n\n${text}\n`).join(`\n${'-'.repeat(78)}\n\n`);
}

// "Copyright …" apart from the rest, which is the same for many.
function splitOwner(text) {
    const lines = text.split('\n');
    const owner = lines.slice(0, 5).findIndex((line) => /^copyright /i.test(line));
    if (owner < 0) return ['', text];
    const [line] = lines.splice(owner, 1);
    return [line.trim(), lines.join('\n').replace(/\n{3,}/g, '\n\n').trim()];
}

const { metafile, outputFiles } = buildSync({
    entryPoints: [join(source, 'page.js')],
    bundle: true,
    minify: true,
    format: 'iife',
    target: ['es2020'],
    charset: 'ascii',
    legalComments: 'none',
    metafile: true,
    write: false,
    absWorkingDir: build,
    outdir: build,
    nodePaths: [modules],
    logLevel: 'warning',
});
const bundled = (extension) => outputFiles.find((file) => file.path.endsWith(extension))?.text ?? '';
const style = bundled('.css') + buildSync({
    entryPoints: [join(source, 'page.css')], minify: true, write: false, charset: 'ascii', logLevel: 'warning',
}).outputFiles[0].text;

const licences = licencesOf(packagesIn(metafile));
const script = `/*\n${licences}*/\n${bundled('.js')}`;
for (const [text, what] of [[script, 'script'], [style, 'style']]) {
    if (/<\/(script|style)|<!--/i.test(text)) throw new Error(`the ${what} would end its own element`);
}
if (licences.includes('*/')) throw new Error('a licence would end its comment');

writeFileSync(join(build, 'script.js'), script);
writeFileSync(join(build, 'style.css'), style);
writeFileSync(join(build, 'script.hash'), `sha256-${createHash('sha256').update(script).digest('base64')}`);
writeFileSync(join(build, 'licences.txt'), licences);
