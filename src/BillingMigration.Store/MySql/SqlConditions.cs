using System.Collections.Immutable;
using BillingMigration.Model;
using BillingMigration.Source;

namespace BillingMigration.Store.MySql;

/// <summary>Conditions of a query as SQL that uses indexes and then compares exactly.</summary>
internal static class SqlConditions
{
    /// <summary>The default of max_sort_length is 1024.</summary>
    private const int MostSortedBytes = 1_000;

    /// <summary>Of utf8mb4.</summary>
    private const int MostBytesOfCharacter = 4;

    /// <summary>No key is longer than 3072 bytes in its own character set.</summary>
    private const int MostParts = 13;

    public static IEnumerable<string> Of(EntityModel model, SelectStatement select, ImmutableArray<BoundQueryCondition> conditions)
    {
        foreach (var condition in conditions)
        {
            if (condition.Values is { } values)
            {
                yield return values.IsEmpty ? "FALSE" : $"({string.Join(" OR ", values.Select(v => v is null ? $"{select.ColumnName(condition.Index)} IS NULL" : IsExactly(model, select, condition.Index, v)))})";
                continue;
            }

            if (condition.From is { } from)
            {
                yield return select.Compare(condition.Index, ">=", from);
            }

            if (condition.Below is { } below)
            {
                yield return select.Compare(condition.Index, "<", below);
            }
        }
    }

    /// <summary>The rows behind a place in the query's order.</summary>
    public static string Behind(BoundQuery query, SelectStatement select, ImmutableArray<byte[]?> place)
    {
        var text = "FALSE";
        for (var i = query.Order.Length - 1; i >= 0; i--)
        {
            text = Behind(query, select, query.Order[i], place[i], text);
        }

        return text;
    }

    /// <summary>The query's order as expressions, NULL before every value.</summary>
    public static IEnumerable<string> OrderOf(BoundQuery query, SelectStatement select) => query.Order.SelectMany(i => OrderBy(query.Model, select, i));

    /// <summary>A column's text in UTF-8 as bytes, so that no collation takes different texts for equal ones.</summary>
    public static string ExactText(EntityModel model, SelectStatement select, int index) => model.Row[index].Column.CharacterSet is null
        ? $"CAST({select.ColumnName(index)} AS CHAR)"
        : $"CAST(CONVERT({select.ColumnName(index)} USING utf8mb4) AS BINARY)";

    /// <summary>What makes the groups of a column: the canonical text of its values, as it is read from rows; as hex digits where that is no text.</summary>
    public static string GroupOf(EntityModel model, SelectStatement select, int index)
    {
        var column = model.Row[index].Column;
        return FloatText.IsOf(column) || AttributeForms.For(column, null) == AttributeForm.Binary ? $"HEX({select.Expression(index)})" : select.Expression(index);
    }

    /// <param name="text">Of a value of <see cref="GroupOf"/>.</param>
    /// <returns>As <see cref="KeyText"/> has it.</returns>
    public static string GroupText(EntityModel model, int index, string text) => FloatText.IsOf(model.Row[index].Column) ? FloatText.OfPoint(Convert.FromHexString(text)) : text;

    private static string IsExactly(EntityModel model, SelectStatement select, int index, byte[] value)
    {
        var equal = select.IsEqual(index, value);
        return model.Row[index].Column.CharacterSet is null ? equal : $"({equal} AND {ExactText(model, select, index)} = X'{Convert.ToHexString(value)}')";
    }

    /// <summary>NULL comes before every value.</summary>
    private static string Behind(BoundQuery query, SelectStatement select, int column, byte[]? value, string rest)
    {
        var name = select.ColumnName(column);
        string Is(string comparison) => IsSortedByText(query.Model.Row[column].Column)
            ? $"{SortText(query.Model, select, column)} {comparison} X'{Convert.ToHexString(value)}'"
            : select.Compare(column, comparison, value);
        return (value, query.Descending) switch
        {
            (null, false) => $"({name} IS NOT NULL OR ({name} IS NULL AND {rest}))",
            (null, true) => $"({name} IS NULL AND {rest})",
            (_, false) => $"({Is(">=")} AND ({Is(">")} OR {rest}))",
            (_, true) => $"(({Is("<=")} OR {name} IS NULL) AND ({Is("<")} OR {name} IS NULL OR {rest}))",
        };
    }

    /// <summary>The server sorts an ENUM by its members' numbers and a text by its collation, for which other texts may be equal.</summary>
    private static bool IsSortedByText(ColumnSchema column) => AttributeForms.For(column, null) == AttributeForm.Text;

    private static string SortText(EntityModel model, SelectStatement select, int index) => model.Row[index].Column.DataType is "uuid" or "inet4" or "inet6"
        ? $"CAST(CAST({select.ColumnName(index)} AS CHAR CHARACTER SET utf8mb4) AS BINARY)"
        : ExactText(model, select, index);

    private static IEnumerable<string> OrderBy(EntityModel model, SelectStatement select, int index)
    {
        var column = model.Row[index].Column;
        if (!IsSortedByText(column) && AttributeForms.For(column, null) != AttributeForm.Binary)
        {
            return [select.ColumnName(index)];
        }

        var text = IsSortedByText(column) ? SortText(model, select, index) : select.ColumnName(index);
        // The server looks at the first max_sort_length bytes of a text only.
        var parts = (int)Math.Min((((column.MaxLength ?? 0) * MostBytesOfCharacter) + MostSortedBytes - 1) / MostSortedBytes, MostParts);
        return parts <= 1 ? [text] : Enumerable.Range(0, parts).Select(i => $"SUBSTRING({text}, {(i * MostSortedBytes) + 1}, {MostSortedBytes})");
    }
}
