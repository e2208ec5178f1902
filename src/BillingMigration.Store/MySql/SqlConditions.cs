using System.Collections.Immutable;
using BillingMigration.Model;
using BillingMigration.Source;

namespace BillingMigration.Store.MySql;

/// <summary>Conditions of a query as SQL that uses indexes and then compares exactly.</summary>
internal static class SqlConditions
{
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

    /// <summary>A column's text in UTF-8 as bytes, so that no collation takes different texts for equal ones.</summary>
    public static string ExactText(EntityModel model, SelectStatement select, int index) => model.Row[index].Column.CharacterSet is null
        ? $"CAST({select.ColumnName(index)} AS CHAR)"
        : $"CAST(CONVERT({select.ColumnName(index)} USING utf8mb4) AS BINARY)";

    private static string IsExactly(EntityModel model, SelectStatement select, int index, byte[] value)
    {
        var equal = select.IsEqual(index, value);
        return model.Row[index].Column.CharacterSet is null ? equal : $"({equal} AND {ExactText(model, select, index)} = X'{Convert.ToHexString(value)}')";
    }

    /// <summary>NULL comes before every value.</summary>
    private static string Behind(BoundQuery query, SelectStatement select, int column, byte[]? value, string rest)
    {
        var name = select.ColumnName(column);
        return (value, query.Descending) switch
        {
            (null, false) => $"({name} IS NOT NULL OR ({name} IS NULL AND {rest}))",
            (null, true) => $"({name} IS NULL AND {rest})",
            ({ } v, false) => $"({select.Compare(column, ">=", v)} AND ({select.Compare(column, ">", v)} OR {rest}))",
            ({ } v, true) => $"(({select.Compare(column, "<=", v)} OR {name} IS NULL) AND ({select.Compare(column, "<", v)} OR {name} IS NULL OR {rest}))",
        };
    }
}
