/* The language that rows are filtered by: read into a tree here, never run as a script.

     words                            every word is in the row's text, as it is shown
     accuracy > 0.9                   a column of leaderboard-all.csv against a number, a text or another column;
     trainable_share <= 10%           = != < <= > >=, and ~ !~ for "contains"; a share may be written in per cent
     lr = empty                       without a value; any other comparison with an empty cell is false
     method ~ mask and not (kl > 1 or broken > 0)
*/

class ExpressionError extends Error {}

const TOKEN = /\s*(?:(<=|>=|!=|!~|=|<|>|~)|([()])|"([^"]*)"|'([^']*)'|([^\s()<>=!~"']+))/y;
const COMPARE = {
  "=": (a, b) => a === b, "!=": (a, b) => a !== b, "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b,
  "~": (a, b) => a.includes(b), "!~": (a, b) => !a.includes(b),
};

function tokensOf(text) {
  const tokens = [];
  TOKEN.lastIndex = 0;
  while (text.slice(TOKEN.lastIndex).trim()) {
    const start = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (!match) throw new ExpressionError(`“${text.slice(start).trim()}” cannot be read`);
    const [, operator, bracket, double, single, word] = match;
    if (operator) tokens.push({ type: "operator", text: operator });
    else if (bracket) tokens.push({ type: bracket, text: bracket });
    else if (word === undefined) tokens.push({ type: "text", text: double ?? single });
    else if (["and", "or", "not"].includes(word.toLowerCase())) tokens.push({ type: word.toLowerCase(), text: word });
    else tokens.push({ type: "word", text: word });
  }
  return tokens;
}

/* Return a test of {text, value(name)}. `columns` maps each column's name to whether it holds texts. */
function parseExpression(text, columns) {
  const tokens = tokensOf(text);
  let place = 0;
  const next = (...types) => (types.includes(tokens[place]?.type) ? tokens[place++] : null);

  const alternatives = () => {
    const tests = [conjunction()];
    while (next("or")) tests.push(conjunction());
    return tests.length === 1 ? tests[0] : (row) => tests.some((test) => test(row));
  };
  const conjunction = () => {
    const tests = [negation()];
    while (next("and") || ["word", "text", "not", "("].includes(tokens[place]?.type)) tests.push(negation());
    return tests.length === 1 ? tests[0] : (row) => tests.every((test) => test(row));
  };
  const negation = () => {
    if (!next("not")) return term();
    const test = negation();
    return (row) => !test(row);
  };
  const term = () => {
    if (next("(")) {
      const test = alternatives();
      if (!next(")")) throw new ExpressionError("a bracket is not closed");
      return test;
    }
    const left = next("word", "text");
    if (!left) throw new ExpressionError(tokens[place] ? `“${tokens[place].text}” is out of place` : "something is missing at the end");
    const operator = next("operator");
    if (!operator) return (row) => row.text.includes(left.text.toLowerCase());
    const right = next("word", "text");
    if (!right) throw new ExpressionError(`nothing follows “${operator.text}”`);
    return comparison(left, operator.text, right, columns);
  };

  if (!tokens.length) return () => true;
  const test = alternatives();
  if (place < tokens.length) throw new ExpressionError(`“${tokens[place].text}” is out of place`);
  return test;
}

function comparison(left, operator, right, columns) {
  const name = left.text;
  if (left.type !== "word" || !columns.has(name)) throw new ExpressionError(`there is no column “${name}”`);
  const isText = columns.get(name);
  if (right.type === "word" && right.text === "empty") {
    if (!["=", "!="].includes(operator)) throw new ExpressionError("empty is compared by = or !=");
    return (row) => (row.value(name) === null) === (operator === "=");
  }
  const contains = operator.endsWith("~");
  if (!isText && contains) throw new ExpressionError(`${name} holds numbers: compare by =, < or >`);
  if (isText && !contains && !["=", "!="].includes(operator)) throw new ExpressionError(`${name} holds texts: compare by =, != or ~`);
  const other = otherSide(right, isText, columns);
  return (row) => {
    const one = row.value(name), two = other(row);
    if (one === null || two === null) return false;
    return isText ? COMPARE[operator](String(one).toLowerCase(), String(two).toLowerCase()) : COMPARE[operator](one, two);
  };
}

function otherSide(token, isText, columns) {
  if (token.type === "word" && columns.has(token.text) && columns.get(token.text) === isText) return (row) => row.value(token.text);
  if (isText) return () => token.text;
  const match = /^(-?[\d.]+(?:e[+-]?\d+)?)(%?)$/i.exec(token.text);
  const number = match ? Number(match[1]) : NaN;
  if (Number.isNaN(number)) throw new ExpressionError(`“${token.text}” is no number and no column of numbers`);
  return () => (match[2] ? number / 100 : number);
}
