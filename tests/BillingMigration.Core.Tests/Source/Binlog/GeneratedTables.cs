using BillingMigration.Testing;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>Tables of generated columns with a key <c>id</c>: rows that are inserted, of which some are updated and some deleted.</summary>
internal static class GeneratedTables
{
    // Long rows are spread over tables: a row has 65,535 bytes at most.
    private const int ColumnsPerTable = 45;
    private const int RowsPerStatement = 20;
    private const string Mode = "SET SESSION sql_mode = 'ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00'; ";

    /// <returns>Names of the tables.</returns>
    public static async Task<IReadOnlyList<string>> WriteAsync(TestDatabase database, GeneratedValues generated, IEnumerable<(string Type, Func<string> Value)> columns, bool mariaDb, int rows)
    {
        var tables = new List<string>();
        foreach (var part in columns.Chunk(ColumnsPerTable))
        {
            tables.Add($"typed{tables.Count}");
            await WriteAsync(database, tables[^1], part, generated, mariaDb, rows);
        }

        return tables;
    }

    private static async Task WriteAsync(TestDatabase database, string table, (string Type, Func<string> Value)[] columns, GeneratedValues generated, bool mariaDb, int rows)
    {
        var definitions = string.Join(", ", columns.Select((c, i) => $"c{i} {c.Type}"));
        var virtualColumn = "computed BIGINT GENERATED ALWAYS AS (id * 2) VIRTUAL, ";
        var sql = $"CREATE TABLE {table} (id BIGINT PRIMARY KEY, {virtualColumn}{definitions}, left_out VARCHAR(30) NULL DEFAULT 'abc', kept VARCHAR(30) GENERATED ALWAYS AS (CONCAT('n', id)) STORED)";
        await database.ExecuteAsync(sql);
        var names = string.Join(", ", columns.Select((_, i) => $"c{i}"));
        for (var row = 1; row <= rows; row += RowsPerStatement)
        {
            var first = row;
            var values = Enumerable.Range(first, RowsPerStatement).Select(id => $"({id}, {string.Join(", ", columns.Select(c => generated.NullOr(c.Value)))})");
            await database.ExecuteAsync($"{Mode}INSERT IGNORE INTO {table} (id, {names}) VALUES {string.Join(",\n", values)}");
        }

        for (var row = 1; row <= rows; row += 3)
        {
            var changed = columns.Select((c, i) => (c, i)).Where(_ => row % 2 == 0 || _.i % 3 == 0).Select(p => $"c{p.i} = {generated.NullOr(p.c.Value)}");
            await database.ExecuteAsync($"{Mode}UPDATE IGNORE {table} SET {string.Join(", ", changed)} WHERE id = {row}");
        }

        for (var i = 0; i < columns.Length && !mariaDb; i++)
        {
            if (columns[i].Type == "JSON")
            {
                await ChangeJsonAsync(database, table, $"c{i}");
            }
        }

        await database.ExecuteAsync($"{Mode}DELETE FROM {table} WHERE id % 7 = 0");
    }

    /// <summary>In the ways that are logged as differences, when the server is set so.</summary>
    private static Task ChangeJsonAsync(TestDatabase database, string table, string column) => database.ExecuteAsync(
        Mode
        + $"UPDATE {table} SET {column} = '{{\"a\": 1, \"b\": [1, 2, {{\"x\": \"long enough to be replaced in place\"}}], \"c\": \"text\", \"\": 1, \"e\\\\\"f g\": [3]}}' WHERE id % 2 = 0; "
        + $"UPDATE {table} SET {column} = JSON_SET({column}, '$.a', id, '$.b[1]', 'é', '$.b[2].x', JSON_ARRAY(id)) WHERE id % 2 = 0; "
        + $"UPDATE {table} SET {column} = JSON_REMOVE({column}, '$.b[0]', '$.c') WHERE id % 4 = 0; "
        + $"UPDATE {table} SET {column} = JSON_SET({column}, '$.new', 1.5, '$.\"e\\\\\"f g\"[5]', TRUE, '$.\"\"', CAST('2026-01-31' AS DATE)) WHERE id % 4 = 2; "
        + $"UPDATE {table} SET {column} = JSON_REPLACE({column}, '$.b', JSON_OBJECT('deep', JSON_ARRAY(1, 2))) WHERE id % 8 = 2");
}
