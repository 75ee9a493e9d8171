/* Rows and runs from the columns in which they were written. */

/* Objects from their columns: a list of values, or columns of the objects under a key. A null is a key that one lacks. */
function restored({ count, columns }) {
  const objects = new Array(count).fill(null);
  for (const [name, column] of Object.entries(columns)) {
    const values = Array.isArray(column) ? column : restored({ count, columns: column });
    values.forEach((value, i) => {
      if (defined(value)) (objects[i] ??= {})[name] = value;
    });
  }
  return objects;
}

/* Each row has the number of its runs; the runs of all rows stand one after another. */
function restoredDocument(data) {
  const runs = restored(data.runs);
  const rows = restored(data.rows);
  let next = 0;
  for (const row of rows) if (row.runs) row.runs = runs.slice(next, (next += row.runs));
  return { ...data, rows, runs: undefined };
}
