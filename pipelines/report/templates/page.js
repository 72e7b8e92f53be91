"use strict";
// Names from JumpCloud reach the page only as text nodes and as encoded parts of `#` links.
const KINDS = {
  users: "Person", systems: "Device", applications: "Application", system_groups: "System group",
  user_groups: "User group", ipv4_addresses: "Address",
};
const PLURALS = {
  users: "People", systems: "Devices", applications: "Applications", system_groups: "System groups",
  user_groups: "User groups", ipv4_addresses: "Addresses",
};
const SEARCHED = ["email", "display_name", "serial_number", "public_ip", "employee_id"];
const EVENTS = {
  first_seen: "First seen", returned: "Returned", removed: "Removed", gained: "Gained", lost: "Lost",
  sudo_gained: "Gained sudo", sudo_lost: "Lost sudo", changed: "Changed",
};
const MAX_RESULTS = 20, MAX_LISTED = 500, MAX_DRAWN = 10;
let data;
const names = {}, searched = {}, places = {}, indexes = new Map();
const byId = (id) => document.getElementById(id);

function el(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
  element.append(...children.flat());
  return element;
}

function bdi(text) { return el("bdi", {}, String(text)); }
function number(value) { return value.toLocaleString("en-US"); }
function plural(count, noun) { return `${number(count)} ${noun}${count === 1 ? "" : "s"}`; }
function words(name) { const text = name.replaceAll("_", " "); return text[0].toUpperCase() + text.slice(1); }
function time(seconds) {
  return seconds === null ? "" : `${new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

async function unpack() {
  const bytes = Uint8Array.from(atob(byId("data").textContent), (char) => char.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

function prepare() {
  for (const table of Object.values(data.tables)) {
    for (const [name, column] of Object.entries(table)) {
      if (!Array.isArray(column)) {
        table[name] = column.codes.map((code) => (code === null ? null : column.values[code]));
      }
    }
  }
  for (const kind of Object.keys(KINDS)) {
    const table = data.tables[kind], labels = data.labels[kind];
    const columns = [...new Set([...labels, ...SEARCHED, data.keys[kind]])].filter((name) => table[name]);
    const count = table.integration.length;
    names[kind] = new Array(count);
    searched[kind] = new Array(count);
    places[kind] = new Map();
    for (let row = 0; row < count; row += 1) {
      names[kind][row] = labels.map((name) => table[name][row]).find((value) => value !== null);
      searched[kind][row] = columns.map((name) => table[name][row] ?? "").join("\n").toLowerCase();
      places[kind].set(`${table.integration[row]}/${table[data.keys[kind]][row]}`, row);
    }
  }
}

// The rows of a table in which a column has a value; the index is made when it is first needed.
function rowsOf(table, column, value) {
  const key = `${table}.${column}`;
  if (!indexes.has(key)) {
    const index = new Map();
    data.tables[table][column].forEach((one, row) => {
      if (index.has(one)) index.get(one).push(row); else index.set(one, [row]);
    });
    indexes.set(key, index);
  }
  return indexes.get(key).get(value) || [];
}

function address(kind, row) {
  const table = data.tables[kind];
  return `#${kind}/${encodeURIComponent(table.integration[row])}/${encodeURIComponent(table[data.keys[kind]][row])}`;
}

function link(kind, row) {
  if (names[kind][row] === undefined) return bdi("left out");
  return el("a", { href: address(kind, row) }, bdi(names[kind][row]));
}

function described(kind, row) {
  const table = data.tables[kind], facts = [KINDS[kind]];
  const more = { users: "display_name", systems: "os" }[kind];
  if (more && table[more]?.[row]) facts.push(table[more][row]);
  if (data.integrations.length > 1) facts.push(table.integration[row]);
  return facts.join(", ");
}

// Paths: each is a list of [kind, row], from a person to a device or an application.
function path(nodes, sudo) { return { nodes: nodes.filter(([, row]) => row !== null), sudo }; }

function pathsOf(kind, row) {
  const t = data.tables, found = [];
  const groupUsers = t.system_group_users, members = t.system_group_members;
  const viaGroup = (user, system) => {
    const grants = user === null ? null : rowsOf("system_group_users", "user_id", user);
    const groups = grants || rowsOf("system_group_members", "system_id", system).flatMap(
      (member) => rowsOf("system_group_users", "group_id", members.group_id[member]));
    for (const grant of groups) {
      const group = groupUsers.group_id[grant];
      const systems = system === null
        ? rowsOf("system_group_members", "group_id", group).map((member) => members.system_id[member])
        : [system];
      for (const one of systems) {
        found.push(path([["users", groupUsers.user_id[grant]], ["user_groups", groupUsers.user_group_id[grant]],
          ["system_groups", group], ["systems", one]], groupUsers.sudo[grant]));
      }
    }
  };
  const direct = (rows) => rows.forEach((one) => found.push(path(
    [["users", t.user_system_bindings.user_id[one]], ["systems", t.user_system_bindings.system_id[one]]],
    t.user_system_bindings.sudo[one])));
  const bound = (rows, user) => rows.forEach((one) => {
    const group = t.user_group_system_bindings.user_group_id[one];
    const users = user === null
      ? rowsOf("user_group_members", "user_group_id", group).map((member) => t.user_group_members.user_id[member])
      : [user];
    for (const person of users) {
      found.push(path([["users", person], ["user_groups", group],
        ["systems", t.user_group_system_bindings.system_id[one]]], t.user_group_system_bindings.sudo[one]));
    }
  });
  const applications = (rows) => rows.forEach((one) => found.push(path(
    [["users", t.application_users.user_id[one]], ["user_groups", t.application_users.user_group_id[one]],
      ["applications", t.application_users.application_id[one]]], null)));
  if (kind === "users") {
    viaGroup(row, null);
    direct(rowsOf("user_system_bindings", "user_id", row));
    const own = rowsOf("user_group_members", "user_id", row).map((one) => t.user_group_members.user_group_id[one]);
    own.forEach((group) => bound(rowsOf("user_group_system_bindings", "user_group_id", group), row));
    applications(rowsOf("application_users", "user_id", row));
  } else if (kind === "systems") {
    viaGroup(null, row);
    direct(rowsOf("user_system_bindings", "system_id", row));
    bound(rowsOf("user_group_system_bindings", "system_id", row), null);
  } else if (kind === "applications") {
    applications(rowsOf("application_users", "application_id", row));
  }
  return found;
}

function arrows(nodes) {
  return nodes.flatMap(([kind, row], place) => [place ? " → " : "", link(kind, row)]);
}

function table(caption, headings, rows, cells) {
  const body = el("tbody", {}, rows.slice(0, MAX_LISTED).map((row) => {
    const [first, ...others] = cells(row);
    return el("tr", {}, el("th", { scope: "row" }, first), others.map((cell) => el("td", {}, cell)));
  }));
  const head = el("tr", {}, headings.map((heading) => el("th", { scope: "col" }, heading)));
  const more = rows.length > MAX_LISTED ? `, the first ${MAX_LISTED} of them here` : "";
  const text = `${caption}: ${number(rows.length)}${more}`;
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el("table", {}, el("caption", {}, text), el("thead", {}, head), body));
}

function svg(tag, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function short(text) { const all = [...String(text)]; return all.length > 22 ? `${all.slice(0, 21).join("")}…` : all.join(""); }

// Draws the first paths in columns. The table below it has all of them, so it is hidden from readers.
function drawing(title, paths) {
  const order = ["users", "user_groups", "system_groups", "systems", "applications"];
  const columns = new Map(order.map((kind) => [kind, new Map()])), lines = new Set();
  let hidden = 0;
  for (const { nodes } of paths) {
    const isFull = nodes.some(([kind, row]) => !columns.get(kind).has(row) && columns.get(kind).size >= MAX_DRAWN);
    if (isFull) { hidden += 1; continue; }
    nodes.forEach(([kind, row]) => columns.get(kind).set(row, columns.get(kind).get(row) ?? columns.get(kind).size));
    nodes.slice(1).forEach(([kind, row], place) => lines.add(JSON.stringify([nodes[place], [kind, row]])));
  }
  const used = order.filter((kind) => columns.get(kind).size);
  const height = 44 + 34 * Math.max(...used.map((kind) => columns.get(kind).size)), width = used.length * 220 - 28;
  const at = ([kind, row]) => [used.indexOf(kind) * 220,
    (height + 20) / 2 + 34 * (columns.get(kind).get(row) - (columns.get(kind).size - 1) / 2)];
  const picture = svg("svg", { class: "paths", viewBox: `0 0 ${width} ${height}`, width, height, "aria-hidden": "true" });
  const over = [];
  for (const line of lines) {
    const [[x1, y1], [x2, y2]] = JSON.parse(line).map(at), passes = x2 - x1 > 220;
    const curve = svg("path", { d: `M${x1 + 190} ${y1}C${x1 + 205} ${y1} ${x2 - 15} ${y2} ${x2} ${y2}` });
    // A line that passes a column is dashed, and drawn over its boxes.
    if (passes) { curve.setAttribute("class", "passes"); over.push(curve); } else picture.append(curve);
  }
  for (const kind of used) {
    picture.append(svg("text", { x: used.indexOf(kind) * 220, y: 14, class: "head" }, PLURALS[kind]));
    for (const row of columns.get(kind).keys()) {
      const [x, y] = at([kind, row]), group = svg("g", { class: kind });
      group.append(svg("rect", { x, y: y - 13, width: 190, height: 26, rx: 6 }),
        svg("text", { x: x + 10, y: y + 5 }, short(names[kind][row])), svg("title", {}, names[kind][row]));
      group.addEventListener("click", () => { location.hash = address(kind, row); });
      picture.append(group);
    }
  }
  picture.append(...over);
  const note = hidden ? [el("p", { class: "quiet" }, `${plural(hidden, "more path")} in the table.`)] : [];
  return el("div", {}, el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Drawing: ${title}` }, picture), note);
}

// The facts of a finding: JSON of the published view, as text.
function evidence(row) {
  const facts = JSON.parse(data.tables.findings.evidence[row] || "{}");
  const text = ([name, value]) => `${words(name)}: ${value === null ? "not known" : typeof value === "boolean" ? yes(value) : typeof value === "object" ? JSON.stringify(value) : value}`;
  return bdi(Object.entries(facts).map(text).join("; "));
}

function yes(value) { return value === null ? "not known" : value ? "yes" : "no"; }

function reached(title, kind, end, paths, from) {
  const groups = new Map();
  for (const one of paths) {
    const [, row] = end === 0 ? one.nodes[0] : one.nodes.at(-1);
    if (groups.has(row)) groups.get(row).push(one); else groups.set(row, [one]);
  }
  const rows = [...groups].sort(([a], [b]) => a - b);
  if (!rows.length) return [el("h3", {}, title), el("p", {}, "None.")];
  const users = data.tables.users;
  const isAdmin = (one) => users.global_admin?.[one.nodes[0][1]];
  const sudo = (all) => yes(all.some((one) => one.sudo || isAdmin(one)) || (all.some((one) => one.sudo === null) ? null : false));
  const state = kind === "users" ? ["State"] : [], withSudo = from !== "applications" && kind !== "applications";
  return [el("h3", {}, title), drawing(title, rows.flatMap(([, all]) => all)),
    table(title, [KINDS[kind], ...state, ...(withSudo ? ["Sudo"] : []), "Paths"], rows, ([row, all]) => [
      link(kind, row), ...(state.length ? [users.state?.[row] ?? "not known"] : []), ...(withSudo ? [sudo(all)] : []),
      el("ul", { class: "plain" }, all.map((one) => el("li", {}, arrows(one.nodes)))),
    ])];
}

function listed(title, kind, source, from, row, extra) {
  const edges = data.tables[source], key = data.keys[kind];
  const rows = rowsOf(source, data.keys[from], row);
  const ends = [...new Set(rows.map((one) => edges[key][one]))].filter((one) => one !== null).sort((a, b) => a - b);
  if (!ends.length) return [];
  const notes = (one) => extra ? [[...new Set(rows.filter((r) => edges[key][r] === one).map((r) => edges[extra][r]))].join(", ")] : [];
  return [el("h3", {}, title), table(title, ["Name", ...(extra ? [words(extra)] : [])], ends, (one) => [link(kind, one), ...notes(one)])];
}

function missing(...sources) {
  const left = sources.filter((name) => data.omitted[name]);
  return left.length ? [el("p", { class: "note" }, `Incomplete here, because the page would be too large: ${left.map(words).join(", ")}. inventory.duckdb has all rows.`)] : [];
}

const RELATED = {
  users: (row) => {
    const paths = pathsOf("users", row), last = (kind) => paths.filter((one) => one.nodes.at(-1)[0] === kind);
    return [missing("system_group_members", "system_group_users", "application_users", "user_system_bindings", "user_group_system_bindings", "user_group_members"),
      reached("Devices this person reaches", "systems", -1, last("systems"), "users"),
      reached("Applications this person reaches", "applications", -1, last("applications"), "users"),
      listed("Member of user groups", "user_groups", "user_group_members", "users", row)];
  },
  systems: (row) => [missing("system_group_members", "system_group_users", "user_system_bindings", "user_group_system_bindings", "user_group_members"),
    reached("People who reach this device", "users", 0, pathsOf("systems", row), "systems"),
    listed("System groups", "system_groups", "system_group_members", "systems", row),
    listed("Addresses", "ipv4_addresses", "system_ipv4_addresses", "systems", row, "interface"), accounts(row)],
  applications: (row) => [missing("application_users"),
    reached("People who reach this application", "users", 0, pathsOf("applications", row), "applications")],
  system_groups: (row) => [missing("system_group_members", "system_group_users"),
    listed("Devices in this group", "systems", "system_group_members", "system_groups", row),
    listed("People bound to this group", "users", "system_group_users", "system_groups", row),
    listed("User groups bound to this group", "user_groups", "system_group_users", "system_groups", row)],
  user_groups: (row) => [missing("user_group_members", "system_group_users", "application_users", "user_group_system_bindings"),
    listed("Members", "users", "user_group_members", "user_groups", row),
    listed("System groups it is bound to", "system_groups", "system_group_users", "user_groups", row),
    listed("Devices it is bound to", "systems", "user_group_system_bindings", "user_groups", row),
    listed("Applications it is bound to", "applications", "application_users", "user_groups", row)],
  ipv4_addresses: (row) => [missing("system_ipv4_addresses"),
    listed("Devices with this address", "systems", "system_ipv4_addresses", "ipv4_addresses", row, "interface")],
};

function accounts(row) {
  const found = rowsOf("local_accounts", "system_id", row);
  if (!found.length) return missing("local_accounts");
  return [el("h3", {}, "Local accounts"), el("ul", { class: "names" },
    found.map((one) => el("li", {}, bdi(data.tables.local_accounts.username[one]))))];
}

function fields(kind, row) {
  const own = data.tables[kind], known = [], unknown = [], times = new Set(data.times);
  for (const [name, column] of Object.entries(own)) {
    const value = column[row];
    if (value === null) { unknown.push(words(name)); continue; }
    let text = typeof value === "boolean" ? yes(value) : String(value);
    if (times.has(name)) text = time(value);
    let shown = bdi(text);
    if (name === "manager_id" || name === "primary_user_id") {
      const place = places.users.get(`${own.integration[row]}/${value}`);
      if (place !== undefined) shown = link("users", place);
    }
    known.push(el("dt", {}, words(name)), el("dd", {}, shown));
  }
  const rest = unknown.length ? [el("p", { class: "quiet" }, `Not known: ${unknown.join(", ")}.`)] : [];
  const note = data.narrowed.includes(kind) ? [el("p", { class: "note" }, "Only the names are here, because the page would be too large. inventory.duckdb has all fields.")] : [];
  return [el("h3", {}, "Fields"), note, el("dl", {}, known), rest];
}

function findingsOf(kind, row) {
  const all = data.tables.findings;
  const rows = rowsOf("findings", "asset_id", row).filter((one) => all.asset_type[one] === kind);
  if (!rows.length) return [el("h3", {}, "Findings"), missing("findings"), el("p", {}, "None.")];
  return [el("h3", {}, "Findings"), missing("findings"), el("ul", { class: "plain findings-of" }, rows.map((one) => {
    const [, severity, title, , remedy] = data.findings[all.finding[one]];
    return el("li", {}, el("h4", {}, el("span", { class: severity }, words(severity)), " ",
      el("a", { href: `#findings/${data.findings[all.finding[one]][0]}` }, title)),
    el("p", {}, remedy), el("p", { class: "quiet" }, `Since ${time(all.since[one])}. `, evidence(one)));
  }))];
}

function eventsOf(kind, row) {
  if (kind !== "users" && kind !== "systems") return [];
  const all = data.tables.events;
  const rows = rowsOf("events", "asset_id", row).filter((one) => all.asset_type[one] === kind);
  const what = (one) => {
    const parts = [EVENTS[all.event[one]]], type = all.object_type[one];
    if (type) {
      parts.push(` ${(KINDS[type] || words(type).replace(/s$/, "")).toLowerCase()} `,
        all.object_id[one] === null ? bdi(all.object_name[one]) : link(type, all.object_id[one]));
    }
    if (all.sudo[one]) parts.push(" with sudo");
    if (all.column_name[one]) {
      parts.push(`: ${words(all.column_name[one])} `, bdi(all.old_value[one] ?? "not known"), " → ", bdi(all.new_value[one] ?? "not known"));
    }
    return parts;
  };
  return [el("h3", {}, "Timeline"),
    el("p", { class: "quiet" }, "Each event happened between two pulls; no more exact time is known."), missing("events"),
    table("Events, latest first", ["Before", "After", "Event"], rows,
      (one) => [time(all.before_at[one]), all.after_at[one] === null ? "not known" : time(all.after_at[one]), what(one)])];
}

function assetPage(kind, row) {
  return [el("h2", {}, bdi(names[kind][row])), el("p", { class: "quiet" }, bdi(described(kind, row))),
    findingsOf(kind, row), RELATED[kind](row), fields(kind, row), eventsOf(kind, row)];
}

function findingPage(name) {
  const place = data.findings.findIndex(([one]) => one === name);
  if (place < 0) return null;
  const [, severity, title, why, remedy] = data.findings[place], all = data.tables.findings;
  const asset = (one) => all.asset_id[one] === null ? bdi(all.asset_name[one]) : link(all.asset_type[one], all.asset_id[one]);
  return [el("h2", {}, title), el("p", {}, el("span", { class: severity }, words(severity)), " ", why), el("p", {}, remedy),
    missing("findings"),
    table("Rows", ["Asset", "Since", "Evidence"], rowsOf("findings", "finding", place),
      (one) => [asset(one), time(all.since[one]), evidence(one)])];
}

function listPage(kind) {
  const rows = names[kind].map((_, row) => row);
  return [el("h2", {}, PLURALS[kind]), missing(kind),
    table(PLURALS[kind], ["Name", "What"], rows, (row) => [link(kind, row), bdi(described(kind, row))])];
}

function homePage() {
  const left = [...Object.entries(data.omitted).map(([name, count]) => `${plural(count, "row")} of ${words(name)}`),
    ...data.narrowed.map((name) => `all fields but the names of ${words(name)}`)];
  const found = data.findings.map(([name, severity, title], place) => [name, severity, title, rowsOf("findings", "finding", place).length]);
  return [left.length ? el("p", { class: "note" }, `Left out, because the page would be too large: ${left.join(", ")}. inventory.duckdb has all rows.`) : [],
    el("h2", { class: "on-screen" }, "What is here"),
    el("ul", { class: "cards plain" }, Object.keys(KINDS).map((kind) => el("li", {},
      el("a", { href: `#${kind}` }, PLURALS[kind]), el("div", { class: "big" }, number(names[kind].length))))),
    el("h3", {}, "Findings"),
    table("Findings with rows", ["Finding", "Severity", "Rows"], found.filter(([, , , count]) => count),
      ([name, severity, title, count]) => [el("a", { href: `#findings/${name}` }, title), el("span", { class: severity }, words(severity)), number(count)])];
}

function show() {
  const [kind, ...rest] = location.hash.slice(1).split("/");
  let parts = null;
  try {
    const key = rest.map(decodeURIComponent).join("/");
    if (kind === "findings") parts = findingPage(key);
    else if (KINDS[kind] && !rest.length) parts = listPage(kind);
    else if (KINDS[kind] && places[kind].has(key)) parts = assetPage(kind, places[kind].get(key));
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
  }
  if (!parts) parts = location.hash.length > 1 && kind !== "content" ? [el("p", {}, "Not in this inventory."), homePage()] : homePage();
  const main = byId("content");
  main.replaceChildren(...parts.flat(9));
  const heading = main.querySelector("h2");
  document.title = heading ? `${heading.textContent} - Inventory` : "Inventory";
}

function matches(text) {
  const found = [];
  for (const kind of Object.keys(KINDS)) {
    searched[kind].forEach((value, row) => {
      const place = value.indexOf(text);
      if (place < 0) return;
      const name = String(names[kind][row]).toLowerCase();
      found.push([name === text ? 0 : name.startsWith(text) ? 1 : name.includes(text) ? 2 : 3, kind, row]);
    });
  }
  return found.sort(([a], [b]) => a - b);
}

function search() {
  const text = byId("search").value.trim().toLowerCase();
  const found = text ? matches(text) : [];
  byId("count").textContent = text ? `${plural(found.length, "match").replace("matchs", "matches")}${found.length > MAX_RESULTS ? `, the first ${MAX_RESULTS} below` : ""}` : "";
  byId("results").replaceChildren(...found.slice(0, MAX_RESULTS).map(([, kind, row]) =>
    el("li", {}, link(kind, row), " ", el("span", { class: "quiet" }, bdi(described(kind, row))))));
  return found;
}

function open(kind, row) {
  location.hash = address(kind, row);
}

async function start() {
  data = await unpack();
  prepare();
  byId("pulled").textContent = data.integrations.map(([name, at]) => `${name}: pulled ${time(at)}`).slice(0, 5).join("; ");
  byId("search").addEventListener("input", search);
  document.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    const [first] = search();
    if (first) open(first[1], first[2]);
  });
  byId("skip").addEventListener("click", (event) => { event.preventDefault(); byId("content").focus(); });
  addEventListener("hashchange", () => {
    byId("search").value = "";
    search();
    show();
    byId("content").focus({ preventScroll: true });
    scrollTo(0, 0);
  });
  show();
  document.documentElement.dataset.ready = "yes";
}
start();
