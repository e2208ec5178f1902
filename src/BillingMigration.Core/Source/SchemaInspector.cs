using System.Collections.Immutable;
using System.Globalization;
using BillingMigration.Model;
using MySqlConnector;

namespace BillingMigration.Source;

/// <summary>
/// Reads table descriptions from the source's data dictionary, with a handful of queries whatever the number of tables. Columns of
/// <c>information_schema</c> are read by position: MySQL 8 labels them in upper case whatever the query says, MariaDB does not.
/// </summary>
public static class SchemaInspector
{
    /// <summary>Describes the named tables; a table that is not there, or not visible to the account, is not in the result.</summary>
    /// <param name="tables">Table names; empty describes every base table of the database.</param>
    /// <returns>Tables by name; names compare as the server compares them (<c>lower_case_table_names</c>).</returns>
    public static async Task<ImmutableDictionary<string, TableSchema>> InspectAsync(
        MySqlConnection connection, string database, IReadOnlyCollection<string> tables, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(connection);
        ArgumentNullException.ThrowIfNull(tables);
        var query = new DictionaryQuery(connection, database, tables);
        var (comparer, mariaDb) = await ReadServerAsync(query, cancellationToken);
        var wanted = tables.ToHashSet(comparer);

        var found = new Dictionary<string, TableRows>(comparer);
        await foreach (var row in ReadTablesAsync(query, mariaDb, cancellationToken))
        {
            if (wanted.Count == 0 || wanted.Contains(row.Name))
            {
                found.Add(row.Name, row);
            }
        }

        await ReadColumnsAsync(query, found, mariaDb, cancellationToken);
        await ReadKeysAsync(query, found, cancellationToken);
        await ReadForeignKeysAsync(query, found, cancellationToken);
        return found.Values.ToImmutableDictionary(t => t.Name, t => t.ToSchema(), comparer);
    }

    /// <returns>Those of the names that are views.</returns>
    public static async Task<ImmutableHashSet<string>> ViewsAsync(MySqlConnection connection, string database, IReadOnlyCollection<string> names, CancellationToken cancellationToken)
    {
        var query = new DictionaryQuery(connection, database, names);
        var (comparer, _) = await ReadServerAsync(query, cancellationToken);
        var found = ImmutableHashSet.CreateBuilder<string>(comparer);
        await foreach (var row in query.ReadTablesAsync("SELECT TABLE_NAME FROM information_schema.VIEWS WHERE ", string.Empty, cancellationToken))
        {
            found.Add(row.GetString(0));
        }

        return found.ToImmutable();
    }

    /// <summary>
    /// Tables, of any database, whose changes reach the given ones by foreign keys that act, over other such tables too: the foreign keys are known from there on up to where none acts
    /// any more.
    /// </summary>
    /// <exception cref="MigrationException"><c>ForeignKeysUnknown</c>: one of them is not visible to the account.</exception>
    public static async Task<IReadOnlyCollection<TableSchema>> AncestorsAsync(MySqlConnection connection, IEnumerable<TableSchema> tables, CancellationToken cancellationToken)
    {
        var known = tables.ToDictionary(t => (t.Database.ToUpperInvariant(), t.Name.ToUpperInvariant()));
        var found = new List<TableSchema>();
        var open = new Queue<TableSchema>(known.Values);
        while (open.TryDequeue(out var child))
        {
            foreach (var key in child.ForeignKeys.Where(k => k.ActsUnseen))
            {
                var database = key.ReferencedDatabase ?? child.Database;
                if (known.ContainsKey((database.ToUpperInvariant(), key.ReferencedTable.ToUpperInvariant())))
                {
                    continue;
                }

                var parent = (await InspectAsync(connection, database, [key.ReferencedTable], cancellationToken)).Values.FirstOrDefault()
                    ?? throw SourceErrors.ForeignKeysUnknown(child, key.Name, database, key.ReferencedTable);
                known.Add((database.ToUpperInvariant(), key.ReferencedTable.ToUpperInvariant()), parent);
                found.Add(parent);
                open.Enqueue(parent);
            }
        }

        return found;
    }

    private static async Task<(StringComparer Comparer, bool MariaDb)> ReadServerAsync(DictionaryQuery query, CancellationToken cancellationToken)
    {
        await foreach (var row in query.ReadAsync("SELECT @@lower_case_table_names, VERSION()", cancellationToken))
        {
            var comparer = Convert.ToInt64(row.GetValue(0), CultureInfo.InvariantCulture) == 0 ? StringComparer.Ordinal : StringComparer.OrdinalIgnoreCase;
            return (comparer, row.GetString(1).Contains("MariaDB", StringComparison.OrdinalIgnoreCase));
        }

        throw new MigrationException("SourceUnexpected", MigrationErrorKind.Unexpected, "The source did not answer SELECT VERSION(). Check what listens on its port.");
    }

    private static async IAsyncEnumerable<TableRows> ReadTablesAsync(
        DictionaryQuery query, bool mariaDb, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // MySQL 8 keeps table statistics for a day: a table that has just been filled would count no rows. 0 asks the engine, for this session.
        var fresh = !mariaDb && await query.FindVariableAsync("information_schema_stats_expiry", cancellationToken) is { } expiry ? expiry : null;
        if (fresh is not null)
        {
            await query.ExecuteAsync("SET SESSION information_schema_stats_expiry = 0", cancellationToken);
        }

        // MariaDB calls a base table with system versioning SYSTEM VERSIONED; views and sequences have types of their own.
        const string Sql = """
            SELECT TABLE_NAME, ENGINE, TABLE_ROWS, AVG_ROW_LENGTH, TABLE_TYPE, TABLE_SCHEMA
            FROM information_schema.TABLES WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND 
            """;
        await foreach (var row in query.ReadTablesAsync(Sql, string.Empty, cancellationToken))
        {
            var isVersioned = row.GetString(4) == "SYSTEM VERSIONED";
            yield return new TableRows(row.GetString(5), row.GetString(0), row.Text(1), row.Number(2) ?? 0, row.Number(3) ?? 0, isVersioned);
        }

        if (fresh is not null)
        {
            await query.ExecuteAsync($"SET SESSION information_schema_stats_expiry = {fresh}", cancellationToken);
        }
    }

    private static async Task ReadColumnsAsync(DictionaryQuery query, Dictionary<string, TableRows> tables, bool mariaDb, CancellationToken cancellationToken)
    {
        const string Sql = """
            SELECT TABLE_NAME, COLUMN_NAME, ORDINAL_POSITION, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, NUMERIC_PRECISION, NUMERIC_SCALE,
              DATETIME_PRECISION, CHARACTER_MAXIMUM_LENGTH, CHARACTER_SET_NAME, COLLATION_NAME, EXTRA, COLUMN_DEFAULT, GENERATION_EXPRESSION
            FROM information_schema.COLUMNS WHERE 
            """;
        await foreach (var row in query.ReadTablesAsync(Sql, " ORDER BY TABLE_NAME, ORDINAL_POSITION", cancellationToken))
        {
            if (!tables.TryGetValue(row.GetString(0), out var table))
            {
                continue;
            }

            table.Columns.Add(ColumnDescription.Read(row, mariaDb));
            if (row.Text(14) is "ROW START" or "ROW END")
            {
                table.PeriodColumns.Add(row.GetString(1));
            }
        }
    }

    private static async Task ReadKeysAsync(DictionaryQuery query, Dictionary<string, TableRows> tables, CancellationToken cancellationToken)
    {
        const string Sql = "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS WHERE NON_UNIQUE = 0 AND ";
        await foreach (var row in query.ReadTablesAsync(Sql, " ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX", cancellationToken))
        {
            if (tables.TryGetValue(row.GetString(0), out var table))
            {
                table.AddKeyColumn(row.GetString(1), row.Text(2), isPart: row.Number(3) is not null);
            }
        }
    }

    private static async Task ReadForeignKeysAsync(DictionaryQuery query, Dictionary<string, TableRows> tables, CancellationToken cancellationToken)
    {
        const string Columns = """
            SELECT TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME
            FROM information_schema.KEY_COLUMN_USAGE WHERE REFERENCED_TABLE_NAME IS NOT NULL AND 
            """;
        await foreach (var row in query.ReadTablesAsync(Columns, " ORDER BY TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION", cancellationToken))
        {
            if (tables.TryGetValue(row.GetString(0), out var table))
            {
                var other = row.GetString(3).Equals(query.Database, StringComparison.OrdinalIgnoreCase) ? null : row.GetString(3);
                table.AddReference(row.GetString(1), row.GetString(2), other, row.GetString(4), row.GetString(5));
            }
        }

        if (tables.Values.All(t => t.References.Count == 0))
        {
            return;
        }

        const string Rules = "SELECT TABLE_NAME, CONSTRAINT_NAME, DELETE_RULE, UPDATE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = @database";
        await foreach (var row in query.ReadAsync(Rules, cancellationToken))
        {
            if (tables.TryGetValue(row.GetString(0), out var table))
            {
                table.SetRules(row.GetString(1), row.GetString(2), row.GetString(3));
            }
        }

        // MariaDB shows REFERENTIAL_CONSTRAINTS only to accounts with more than SELECT; the least-privilege account reads the rules here.
        foreach (var table in tables.Values.Where(t => t.LacksRules))
        {
            await foreach (var row in query.ReadAsync($"SHOW CREATE TABLE {SelectStatement.Name(query.Database)}.{SelectStatement.Name(table.Name)}", cancellationToken))
            {
                table.SetRulesFrom(row.GetString(1));
            }
        }
    }
}
