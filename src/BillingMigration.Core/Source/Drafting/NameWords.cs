using System.Text.RegularExpressions;
using BillingMigration.Model;

namespace BillingMigration.Source.Drafting;

/// <summary>The words in a table or column name: <c>tblInvoiceLines</c> and <c>invoice_line</c> both hold "invoice line".</summary>
internal static partial class NameWords
{
    private static readonly string[] Noise = ["tbl", "tb", "t", "table", "master", "header", "main", "data", "info", "record", "rec", "dim", "fact"];

    /// <summary>Words in lower case.</summary>
    public static IReadOnlyList<string> Of(string name) => [.. Word().Matches(name).Select(m => m.Value.ToLowerInvariant())];

    /// <summary>Words of a table name in the singular, without words that say nothing.</summary>
    public static IReadOnlyList<string> OfTable(string name)
    {
        var words = Of(name).Where(w => !Noise.Contains(w)).Select(Singular).ToList();
        return words.Count > 0 ? words : [.. Of(name).Select(Singular)];
    }

    /// <summary>Lower case without anything between the words.</summary>
    public static string Joined(string name) => string.Concat(Of(name));

    /// <summary>The first column that has one of the names, in the order of the names: exactly, else at the end of its own name.</summary>
    public static ColumnSchema? FindColumn(TableSchema table, IReadOnlyList<string> names, Func<ColumnSchema, bool> fits)
    {
        var columns = table.Columns.Where(fits).ToList();
        return names.Select(n => columns.Find(c => Joined(c.Name) == Joined(n))).FirstOrDefault(c => c is not null)
            ?? names.Select(n => columns.Find(c => EndsWith(Of(c.Name), Of(n)))).FirstOrDefault(c => c is not null);
    }

    public static bool EndsWith(IReadOnlyList<string> words, IReadOnlyList<string> end) =>
        words.Count >= end.Count && words.Skip(words.Count - end.Count).SequenceEqual(end);

    public static string Singular(string word) => word switch
    {
        _ when word.EndsWith("ies", StringComparison.Ordinal) && word.Length > 4 => word[..^3] + "y",
        _ when word.EndsWith("ss", StringComparison.Ordinal) || word.EndsWith("us", StringComparison.Ordinal) || word.Length < 4 => word,
        _ when word.EndsWith('s') => word[..^1],
        _ => word,
    };

    [GeneratedRegex("[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^A-Za-z0-9_ .-]+")]
    private static partial Regex Word();
}
