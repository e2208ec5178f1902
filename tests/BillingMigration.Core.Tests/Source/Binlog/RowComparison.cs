using System.Globalization;
using System.Text;
using BillingMigration.Source.Binlog;
using MySqlConnector;

namespace BillingMigration.Tests.Source.Binlog;

/// <summary>Our decoder and a server's tool on the same file, row by row and value by value.</summary>
internal sealed class RowComparison
{
    private const int MostShown = 20;

    private readonly bool mariaDbTool;
    private readonly MySqlConnection connection;
    private readonly CancellationToken cancellationToken;
    private readonly List<string> differences = [];

    private RowComparison(DecodedRows decoded, ToolOutput printed, bool mariaDbTool, MySqlConnection connection, CancellationToken cancellationToken)
    {
        (Decoded, Printed) = (decoded, printed);
        (this.mariaDbTool, this.connection, this.cancellationToken) = (mariaDbTool, connection, cancellationToken);
    }

    public DecodedRows Decoded { get; }

    public ToolOutput Printed { get; }

    /// <summary>What differs among the rows that both have.</summary>
    public IReadOnlyList<string> Differences => differences;

    /// <summary>Documents that were changed in part, and compared with what a server makes of the printed expression.</summary>
    public int PartialUpdates { get; private set; }

    /// <param name="connection">To MySQL where JSON is updated in part: it computes the expressions that <c>mysqlbinlog</c> prints then. To any server else.</param>
    public static async Task<RowComparison> OfAsync(string path, bool mariaDbTool, MySqlConnection connection, CancellationToken cancellationToken)
    {
        var comparison = new RowComparison(
            await DecodedRows.ReadAsync(path, connection, cancellationToken), await ToolOutput.ReadAsync(mariaDbTool, path, cancellationToken), mariaDbTool, connection, cancellationToken);
        await comparison.CompareAsync();
        return comparison;
    }

    /// <summary>Both read the file to its end and saw the same.</summary>
    public void AssertSame()
    {
        Assert.Null(Decoded.Error);
        Assert.Null(Printed.Error);
        Assert.True(differences.Count == 0, $"{differences.Count} differences\n{string.Join("\n", differences.Take(MostShown))}");
        Assert.Equal(Printed.Rows.Count, Decoded.Rows.Count);
    }

    private async Task CompareAsync()
    {
        foreach (var (((table, ours), theirs), index) in Decoded.Rows.Zip(Printed.Rows).Select((pair, i) => (pair, i)))
        {
            var place = string.Create(CultureInfo.InvariantCulture, $"row {index + 1}, {ours.Verb} {ours.Table}");
            if ((ours.Verb, ours.Table) != (theirs.Verb, theirs.Table))
            {
                differences.Add($"{place}, the tool {theirs.Verb} {theirs.Table}");
                return;
            }

            await CompareAsync($"{place} before", table, ours.Before, theirs.Before, ours.Before);
            await CompareAsync($"{place} after", table, ours.After, theirs.After, ours.Before);
        }
    }

    private async Task CompareAsync(string place, TableMap table, SortedDictionary<int, string> ours, SortedDictionary<int, string> theirs, SortedDictionary<int, string> before)
    {
        if (!ours.Keys.SequenceEqual(theirs.Keys))
        {
            differences.Add($"{place}: columns {string.Join(",", ours.Keys)}, the tool {string.Join(",", theirs.Keys)}");
            return;
        }

        foreach (var (number, value) in ours)
        {
            var column = table.Columns[number - 1];
            var name = string.Create(CultureInfo.InvariantCulture, $"@{number}");
            var (decoded, printed) = theirs[number] switch
            {
                var text when text == name => (value, before[number]),
                var text when text.StartsWith("JSON_", StringComparison.Ordinal) => await ComputeAsync(name, text, before[number], value),
                var text => (PrintedForm.AsPrinted(column, value, mariaDbTool), PrintedForm.OfPrinted(column, text)),
            };
            if (decoded != printed)
            {
                differences.Add($"{place} {name} {column.Type}({column.Metadata}): {Show(decoded)}, the tool {Show(printed)}");
            }
        }
    }

    /// <summary>
    /// The expression of a partial update, computed by a server, beside the document that our decoder made of it. Both go through the server's JSON parser: the print has
    /// numbers and points in time as literals, without their types.
    /// </summary>
    private async Task<(string Decoded, string Printed)> ComputeAsync(string name, string expression, string before, string after)
    {
        PartialUpdates++;
        // The column is the first argument of the innermost function: it stands before every literal.
        var at = expression.IndexOf(name, StringComparison.Ordinal);
        var computed = $"{Utf8(expression[..at])}CAST({Literal(before)} AS JSON){Utf8(expression[(at + name.Length)..])}";
        await using var command = new MySqlCommand($"SELECT CAST(CAST({Literal(after)} AS JSON) AS CHAR), CAST(CAST(CAST({computed} AS CHAR) AS JSON) AS CHAR)", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        await reader.ReadAsync(cancellationToken);
        return (reader.GetString(0), reader.GetString(1));
    }

    private static string Utf8(string bytes) => Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(bytes));

    private static string Literal(string bytes) => $"CONVERT(X'{Convert.ToHexString(Encoding.Latin1.GetBytes(bytes))}' USING utf8mb4)";

    private static string Show(string value) => value.Length > 200 ? value[..200] + "…" : value;
}
