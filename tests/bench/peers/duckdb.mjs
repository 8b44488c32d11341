// node duckdb.mjs SQL: runs it in DuckDB with all CPUs. TIDEMILL_BENCH_DUCKDB is the folder where
// `npm install @duckdb/node-api` was run.
import { createRequire } from "node:module";

const require = createRequire(process.env.TIDEMILL_BENCH_DUCKDB + "/");
const { DuckDBInstance } = require("@duckdb/node-api");
const instance = await DuckDBInstance.create(":memory:");
const connection = await instance.connect();
await connection.run(process.argv[2]);
