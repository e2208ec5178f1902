using System.Collections.Immutable;
using System.Text;
using System.Text.RegularExpressions;
using BillingMigration.Model;
using MySqlConnector;

namespace BillingMigration.Source;

/// <summary>Reads a row of <c>information_schema.COLUMNS</c>, in which MySQL and MariaDB say the same thing in different words.</summary>
internal static partial class ColumnDescription
{
    private static readonly string[] NumericTypes = ["tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double"];

    /// <param name="row">In the order of the query in <see cref="SchemaInspector"/>.</param>
    public static ColumnSchema Read(MySqlDataReader row, bool mariaDb)
    {
        var type = row.GetString(3).ToLowerInvariant();
        var columnType = row.GetString(4);
        var nullable = row.GetString(5) == "YES";
        var extra = row.Text(12) ?? string.Empty;
        var generated = Generated(extra);
        var (value, isExpression, hasDefault) = generated == GeneratedColumn.No
            ? mariaDb ? MariaDbDefault(row.Text(13), nullable) : MySqlDefault(row.Text(13), nullable, type, extra)
            : (null, false, false);
        return new ColumnSchema
        {
            Name = row.GetString(1),
            Ordinal = (int)row.Number(2)!.Value,
            DataType = type,
            ColumnType = columnType,
            Nullable = nullable,
            Unsigned = NumericTypes.Contains(type) && columnType.Contains(" unsigned", StringComparison.OrdinalIgnoreCase),
            Precision = type is "decimal" or "bit" ? (int)(row.Number(6) ?? 0) : 0,
            Scale = type == "decimal" ? (int)(row.Number(7) ?? 0) : 0,
            FractionalDigits = (int)(row.Number(8) ?? 0),
            CutsFractions = mariaDb && type is ("time" or "datetime" or "timestamp"),
            MaxLength = row.Number(9),
            CharacterSet = row.Text(10),
            Collation = row.Text(11),
            Generated = generated,
            AutoIncrement = extra.Contains("auto_increment", StringComparison.OrdinalIgnoreCase),
            UpdatedAutomatically = extra.Contains("on update", StringComparison.OrdinalIgnoreCase),
            Default = value,
            DefaultIsExpression = isExpression,
            HasDefault = hasDefault,
            Members = type is "enum" or "set" ? Members(columnType) : [],
        };
    }

    /// <summary>
    /// Member names of <c>enum('a','it''s')</c>. The servers print a quote doubled and backslash, newline, carriage return and NUL with a
    /// backslash, whatever <c>sql_mode</c> is.
    /// </summary>
    internal static ImmutableArray<string> Members(string columnType)
    {
        var members = ImmutableArray.CreateBuilder<string>();
        for (var at = columnType.IndexOf('\'', StringComparison.Ordinal); at >= 0 && at < columnType.Length && columnType[at] == '\'';)
        {
            members.Add(Unquote(columnType, at, out var end));
            // After the closing quote comes a comma and the next member, or the bracket.
            at = end < columnType.Length && columnType[end] == ',' ? end + 1 : columnType.Length;
        }

        return members.ToImmutable();
    }

    private static string Unquote(string text, int start, out int end)
    {
        var result = new StringBuilder();
        var at = start + 1;
        for (; at < text.Length; at++)
        {
            var next = at + 1 < text.Length ? text[at + 1] : '\0';
            if (text[at] == '\\' && at + 1 < text.Length)
            {
                result.Append(next switch { 'n' => '\n', 'r' => '\r', '0' => '\0', _ => next });
                at++;
            }
            else if (text[at] != '\'')
            {
                result.Append(text[at]);
            }
            else if (next == '\'' && at + 1 < text.Length)
            {
                result.Append('\'');
                at++;
            }
            else
            {
                break;
            }
        }

        end = Math.Min(at + 1, text.Length);
        return result.ToString();
    }

    private static GeneratedColumn Generated(string extra) =>
        extra.Contains("VIRTUAL GENERATED", StringComparison.OrdinalIgnoreCase) ? GeneratedColumn.Virtual
        : extra.Contains("STORED GENERATED", StringComparison.OrdinalIgnoreCase) || extra.Contains("PERSISTENT", StringComparison.OrdinalIgnoreCase) ? GeneratedColumn.Stored
        : GeneratedColumn.No;

    /// <summary>MySQL prints the bare literal; 8.0.13 and later mark expressions with <c>DEFAULT_GENERATED</c>, 5.7 knows CURRENT_TIMESTAMP only.</summary>
    private static (string? Text, bool IsExpression, bool HasDefault) MySqlDefault(string? text, bool nullable, string type, string extra) => text is null
        ? (null, false, nullable)
        : (text, extra.Contains("DEFAULT_GENERATED", StringComparison.Ordinal)
            || (type is "timestamp" or "datetime" && text.StartsWith("CURRENT_TIMESTAMP", StringComparison.OrdinalIgnoreCase)), true);

    /// <summary>MariaDB prints SQL: a quoted literal, a bare number, <c>NULL</c>, or an expression.</summary>
    private static (string? Text, bool IsExpression, bool HasDefault) MariaDbDefault(string? text, bool nullable) => text switch
    {
        null => (null, false, nullable),
        "NULL" => (null, false, true),
        ['\'', ..] => (Unquote(text, 0, out _), false, true),
        _ => (text, !BareLiteral().IsMatch(text), true),
    };

    [GeneratedRegex(@"^(-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?|b'[01]*'|x'[0-9a-f]*'|0x[0-9a-f]+)\z", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex BareLiteral();
}
