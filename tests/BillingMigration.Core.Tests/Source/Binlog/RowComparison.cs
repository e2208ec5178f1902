using System.Globalization;
using System.Text;
using BillingMigration.Source.Binlog;
using MySqlConnector;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>Our decoder and a server's tool on the same file, row by row and value by value.</summary>
internal sealed record RowComparison(DecodedRows Decoded, ToolOutput Printed, IReadOnlyList<string> Differences)
{
    private const int MostShown = 20;

    /// <param name="connection">To a server that computes the expressions which <c>mysqlbinlog</c> prints for partial updates of JSON: MySQL, where there are some.</param>
    public static async Task<RowComparison> OfAsync(string path, bool mariaDbTool, MySqlConnection connection, CancellationToken cancellationToken)
    {
        var printed = await ToolOutput.ReadAsync(mariaDbTool, path, cancellationToken);
        var decoded = await DecodedRows.ReadAsync(path, connection, cancellationToken);
        var differences = new List<string>();
        for (var i = 0; i < Math.Min(decoded.Rows.Count, printed.Rows.Count); i++)
        {
            var (table, ours) = decoded.Rows[i];
            var theirs = printed.Rows[i];
            if ((ours.Verb, ours.Table) != (theirs.Verb, theirs.Table))
            {
                differences.Add(string.Create(CultureInfo.InvariantCulture, $"row {i + 1}: {ours.Verb} {ours.Table}, the tool {theirs.Verb} {theirs.Table}"));
                break;
            }

            var place = string.Create(CultureInfo.InvariantCulture, $"row {i + 1}, {ours.Verb} {ours.Table}");
            differences.AddRange(await CompareAsync($"{place} before", table, ours.Before, ours.Before, theirs.Before, mariaDbTool, connection, cancellationToken));
            differences.AddRange(await CompareAsync($"{place} after", table, ours.After, ours.Before, theirs.After, mariaDbTool, connection, cancellationToken));
        }

        if (decoded.Rows.Count != printed.Rows.Count)
        {
            differences.Add(string.Create(CultureInfo.InvariantCulture, $"{decoded.Rows.Count} rows, the tool {printed.Rows.Count}"));
        }

        return new RowComparison(decoded, printed, differences);
    }

    /// <summary>Both read the file to its end and saw the same.</summary>
    public void AssertSame() => Assert.True(
        Decoded.Error is null && Printed.Error is null && Differences.Count == 0,
        $"{Decoded.Error?.Message}\n{Printed.Error}\n{Differences.Count} differences\n{string.Join("\n", Differences.Take(MostShown))}");

    private static async Task<List<string>> CompareAsync(
        string place, TableMap table, SortedDictionary<int, string> ours, SortedDictionary<int, string> before, SortedDictionary<int, string> theirs, bool mariaDb, MySqlConnection connection,
        CancellationToken cancellationToken)
    {
        var differences = new List<string>();
        if (!ours.Keys.SequenceEqual(theirs.Keys))
        {
            differences.Add($"{place}: columns {string.Join(",", ours.Keys)}, the tool {string.Join(",", theirs.Keys)}");
            return differences;
        }

        foreach (var (number, value) in ours)
        {
            var column = table.Columns[number - 1];
            var self = string.Create(CultureInfo.InvariantCulture, $"@{number}");
            var tool = theirs[number];
            string mine;
            if (column.Type == BinlogColumnType.Json && (tool == self || tool.StartsWith("JSON_", StringComparison.Ordinal)))
            {
                (mine, tool) = await ComputeAsync(self, tool, before[number], value, connection, cancellationToken);
            }
            else
            {
                (mine, tool) = (PrintedForm.AsPrinted(column, value, mariaDb), PrintedForm.OfPrinted(column, tool));
            }

            if (mine != tool)
            {
                differences.Add($"{place} {self} {column.Type}({column.Metadata}): {Show(mine)}, the tool {Show(tool)}");
            }
        }

        return differences;
    }

    /// <summary>
    /// The expression of a partial update, computed by a server, beside the document that our decoder made of it. Both go through the server's JSON parser: the print has
    /// numbers and points in time as literals, without their types.
    /// </summary>
    private static async Task<(string Ours, string Theirs)> ComputeAsync(string self, string expression, string before, string after, MySqlConnection connection, CancellationToken cancellationToken)
    {
        var old = $"CAST(CONVERT(X'{Hex(before)}' USING utf8mb4) AS JSON)";
        // A document that others change contains no value of the form @n: only the innermost argument does.
        var at = expression.IndexOf(self, StringComparison.Ordinal);
        var computed = Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(expression[..at])) + old + Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(expression[(at + self.Length)..]));
        var sql = $"SELECT CAST(CAST(CAST({computed} AS CHAR) AS JSON) AS CHAR), CAST(CAST(CONVERT(X'{Hex(after)}' USING utf8mb4) AS JSON) AS CHAR)";
        await using var command = new MySqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return (reader.GetString(1), reader.GetString(0));
    }

    private static string Hex(string bytes) => Convert.ToHexString(Encoding.Latin1.GetBytes(bytes));

    private static string Show(string value) => value.Length > 200 ? value[..200] + "…" : value;
}
