// Reads the types of npm's `stripe` package with the compiler's own parser: lists, objects, and events.
// The compiler's API is still called unstable (TypeScript 7 has no other); this file and no other uses it.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SyntaxKind } from 'typescript/unstable/ast';
import { API } from 'typescript/unstable/sync';

const ROOT = path.join(import.meta.dirname, '..');
const PACKAGE = path.join(ROOT, 'node_modules', 'stripe');
const TYPES = path.join(PACKAGE, 'esm');

/** All of it, parsed: what a name means in a file, and each list of the API. */
export function readTypes() {
  const names = readdirSync(path.join(TYPES, 'resources'), { recursive: true })
    .map((name) => path.join('resources', String(name)))
    .filter((name) => /\.(?:d\.ts|js)$/.test(name))
    .concat('shared.d.ts', 'lib.d.ts', 'apiVersion.d.ts')
    .toSorted();
  const folder = mkdtempSync(path.join(tmpdir(), 'headrace-stripe-'));
  const project = path.join(folder, 'tsconfig.json');
  const compilerOptions = { noResolve: true, noLib: true, types: [], allowJs: true, module: 'esnext' };
  writeFileSync(project, JSON.stringify({ files: names.map((name) => path.join(TYPES, name)), compilerOptions }));
  const api = new API({ cwd: ROOT });
  try {
    const { program } = api.updateSnapshot({ openProjects: [project] }).getProjects()[0];
    const parsed = new Map(names.map((name) => [name, program.getSourceFile(path.join(TYPES, name))]));
    const files = new Map();
    for (const [name, source] of parsed)
      if (name.endsWith('.d.ts')) files.set(name, fileOf(name, source, parsed.get(name.replace(/d\.ts$/, 'js'))));
    return {
      files,
      version: JSON.parse(readFileSync(path.join(PACKAGE, 'package.json'), 'utf8')).version,
      apiVersion: /ApiVersion = "([^"]+)"/.exec(parsed.get('apiVersion.d.ts').text)[1],
    };
  } finally {
    api.close();
    rmSync(folder, { recursive: true });
  }
}

/** What a file declares, by qualified name, what it imports, and the requests that its methods make. */
function fileOf(name, source, script) {
  const file = { name, text: source.text, declared: new Map(), imports: new Map(), classes: [] };
  const walk = (statements, prefix) => {
    for (const node of statements) {
      if (node.kind === SyntaxKind.ImportDeclaration) noteImports(file, node);
      else if (node.kind === SyntaxKind.ClassDeclaration) file.classes.push(classOf(file, node, script));
      else if (node.kind === SyntaxKind.InterfaceDeclaration || node.kind === SyntaxKind.TypeAliasDeclaration) {
        const key = prefix + node.name.text;
        file.declared.set(key, [...(file.declared.get(key) ?? []), node]);
      } else if (node.kind === SyntaxKind.ModuleDeclaration && node.body)
        walk(node.body.statements, `${prefix}${node.name.text}.`);
    }
  };
  walk(source.statements, '');
  return file;
}

function noteImports(file, node) {
  const from = node.moduleSpecifier.text;
  if (!from.startsWith('.')) return;
  const target = path.join(path.dirname(file.name), from.replace(/\.js$/, '.d.ts'));
  for (const element of node.importClause?.namedBindings?.elements ?? [])
    file.imports.set(element.name.text, { file: target, name: (element.propertyName ?? element.name).text });
}

function classOf(file, node, script) {
  const requests = new Map();
  for (const statement of script?.statements ?? [])
    if (statement.kind === SyntaxKind.ClassDeclaration && statement.name.text === node.name.text)
      for (const member of statement.members) {
        if (member.kind !== SyntaxKind.MethodDeclaration) continue;
        const text = script.text.slice(member.pos, member.end);
        const sent = /_makeRequest\('(\w+)', (?:'([^']+)'|`([^`]+)`)/.exec(text);
        if (sent) requests.set(member.name.text, { method: sent[1], path: templateOf(sent[2] ?? sent[3]) });
      }
  const methods = node.members
    .filter((member) => member.kind === SyntaxKind.MethodDeclaration)
    .map((member) => ({
      name: member.name.text,
      about: commentOf(file, member),
      parameters: member.parameters.map((parameter) => parameter.type),
      answers: promised(member.type),
      ...requests.get(member.name.text),
    }));
  return { name: node.name.text, methods };
}

/** `{id}` for what is put into a path. */
const templateOf = (text) => text.replace(/\$\{encodeURIComponent\((\w+)\)\}/g, '{$1}');

/** What a method's promise brings: its container and the type inside. */
function promised(type) {
  let at = type;
  let container;
  while (at?.kind === SyntaxKind.TypeReference && /^(?:Promise|Response|\w*ListPromise)$/.test(textOf(at.typeName))) {
    const name = textOf(at.typeName);
    if (name.endsWith('ListPromise')) container = name;
    at = at.typeArguments?.[0];
  }
  return { container, type: at };
}

export function textOf(name) {
  if (name.kind === SyntaxKind.QualifiedName) return `${textOf(name.left)}.${textOf(name.right)}`;
  if (name.kind === SyntaxKind.PropertyAccessExpression) return `${textOf(name.expression)}.${name.name.text}`;
  return name.text;
}

/** The text of the comment before a node, in one line. */
export function commentOf(file, node) {
  const found = /\/\*\*([\s\S]*?)\*\//.exec(file.text.slice(node.pos, node.getStart()));
  const full = found ?? /^\s*\/\*\*([\s\S]*?)\*\//.exec(file.text.slice(node.pos, node.end));
  return (full?.[1] ?? '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, ''))
    .join(' ')
    .replace(/\s+/g, ' ')
    .trim();
}

/** A reference to a type, as the parser would have made it. */
export function referenceTo(name) {
  return { kind: SyntaxKind.TypeReference, typeName: { kind: SyntaxKind.Identifier, text: name } };
}

/** The declarations that a name means in a file; undefined for what is of the language. */
export function resolve(types, file, name, scope = '') {
  for (let at = scope; ; at = at.replace(/\.?[^.]*$/, '')) {
    const key = at === '' ? name : `${at}.${name}`;
    if (file.declared.has(key)) return { file, name: key, nodes: file.declared.get(key) };
    if (at === '') break;
  }
  const [head, ...rest] = name.split('.');
  const imported = file.imports.get(head);
  const target = imported && types.files.get(imported.file);
  if (!target || target === file) return undefined;
  const found = resolve(types, target, [imported.name, ...rest].join('.'));
  // A namespace such as Billing: its file imports each of its types.
  return found ?? (rest.length > 0 && target.imports.has(rest[0]) ? resolve(types, target, rest.join('.')) : undefined);
}

/** The members of an interface with those that it extends, or of a union of interfaces, all together. */
export function membersOf(types, file, type, scope = '') {
  if (type.kind === SyntaxKind.UnionType)
    return mergeMembers(type.types.map((part) => membersOf(types, file, part, scope)));
  if (type.kind !== SyntaxKind.TypeReference) return new Map();
  const found = resolve(types, file, textOf(type.typeName), scope);
  return found ? declaredMembers(types, found) : new Map();
}

function declaredMembers(types, { file, name, nodes }) {
  const members = new Map();
  for (const node of nodes) {
    if (node.kind === SyntaxKind.TypeAliasDeclaration) return membersOf(types, file, node.type, name);
    for (const clause of node.heritageClauses ?? [])
      for (const base of clause.types) {
        const parent = resolve(types, file, textOf(base.expression), name.replace(/\.?[^.]*$/, ''));
        for (const [key, member] of parent ? declaredMembers(types, parent) : []) members.set(key, member);
      }
    for (const member of node.members)
      if (member.kind === SyntaxKind.PropertySignature)
        members.set(member.name.text, { file, scope: name, node: member, optional: isOptional(member) });
  }
  return members;
}

/** A field that only some of the kinds have may be missing. */
function mergeMembers(all) {
  const merged = new Map();
  for (const members of all)
    for (const [key, member] of members) {
      const first = merged.get(key);
      merged.set(key, first ? { ...first, others: [...(first.others ?? []), member] } : member);
    }
  for (const [key, member] of merged)
    if (all.some((members) => !members.has(key))) merged.set(key, { ...member, optional: true });
  return merged;
}

/** What a type is as JSON: its kinds, the values that it lists, whether other values may come, what a list holds. */
export function jsonOf(types, { file, node, scope, others = [] }) {
  const result = { kinds: new Set(), values: [], isOpen: false, isNullable: false, list: undefined };
  for (const each of [{ file, node, scope }, ...others])
    addJson(types, each.file, each.node.type, each.scope, result, 0);
  result.values = [...new Set(result.values)];
  return result;
}

function addJson(types, file, type, scope, into, depth) {
  switch (type.kind) {
    case SyntaxKind.StringKeyword:
      into.isOpen = true;
      return into.kinds.add('string');
    case SyntaxKind.NumberKeyword:
      return into.kinds.add('number');
    case SyntaxKind.BooleanKeyword:
      return into.kinds.add('boolean');
    case SyntaxKind.UnionType:
      for (const part of type.types) addJson(types, file, part, scope, into, depth);
      return undefined;
    case SyntaxKind.ParenthesizedType:
      return addJson(types, file, type.type, scope, into, depth);
    case SyntaxKind.ArrayType:
      return into.kinds.add('array');
    case SyntaxKind.LiteralType:
      return addLiteral(type.literal, into);
    case SyntaxKind.TypeReference:
      return addReference(types, file, type, scope, into, depth);
    default:
      return into.kinds.add('object');
  }
}

function addLiteral(literal, into) {
  if (literal.kind === SyntaxKind.NullKeyword) into.isNullable = true;
  else if (literal.kind === SyntaxKind.StringLiteral) {
    into.kinds.add('string');
    into.values.push(literal.text);
  } else if (literal.kind === SyntaxKind.TrueKeyword || literal.kind === SyntaxKind.FalseKeyword)
    into.kinds.add('boolean');
  else into.kinds.add('number');
}

function addReference(types, file, type, scope, into, depth) {
  const name = textOf(type.typeName);
  if (name === 'Array') return into.kinds.add('array');
  if (name === 'OtherString') return (into.isOpen = true);
  // A number that is written as text, so that no digit is lost.
  if (name === 'Decimal') {
    into.isOpen = true;
    return into.kinds.add('string');
  }
  if (/^(?:ApiList|V2List)$/.test(name)) {
    into.list = { file, type: type.typeArguments[0], scope };
    return into.kinds.add('object');
  }
  const found = resolve(types, file, name, scope);
  const alias = found?.nodes.find((node) => node.kind === SyntaxKind.TypeAliasDeclaration);
  if (alias && depth < 8) return addJson(types, found.file, alias.type, found.name, into, depth + 1);
  return into.kinds.add('object');
}

const isOptional = (member) => (member.questionToken ?? member.postfixToken)?.kind === SyntaxKind.QuestionToken;
