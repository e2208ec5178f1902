using BillingMigration.Model;

namespace BillingMigration.Source;

/// <summary>Statements that make a row of the source what it is to be. Only the entity's own columns are named; generated ones the server makes itself.</summary>
internal static class RowStatements
{
    /// <param name="leftOut">Index of a column that the server generates; -1: none.</param>
    public static string Insert(EntityModel model, RowBuffer row, int leftOut = -1)
    {
        var columns = Columns(model).Where(i => i != leftOut).ToArray();
        return $"INSERT INTO {Table(model)} ({string.Join(", ", columns.Select(i => Column(model, i)))}) VALUES ({string.Join(", ", columns.Select(i => Value(model, row, i)))})";
    }

    /// <returns>Null: they are the same.</returns>
    public static string? Update(EntityModel model, RowBuffer before, RowBuffer after)
    {
        var changed = Columns(model).Where(i => before.Differs(after, i)).ToArray();
        return changed.Length == 0 ? null : $"UPDATE {Table(model)} SET {string.Join(", ", changed.Select(i => $"{Column(model, i)} = {Value(model, after, i)}"))} WHERE {IsRow(model, before)}";
    }

    /// <param name="by">A plain decimal number.</param>
    /// <param name="now">Columns that change with the row, and their values; they stay where the sum changes nothing.</param>
    public static string Add(EntityModel model, RowBuffer key, int column, string by, IEnumerable<(int Column, byte[] Value)> now)
    {
        var name = Column(model, column);
        // Assignments are made from left to right: these look at the number as it was.
        var changes = now.Select(n => $"{Column(model, n.Column)} = IF(ROUND({name} + {by}, {model.Row[column].Column.Scale}) <=> {name}, {Column(model, n.Column)}, {SelectStatement.Literal(model.Row[n.Column].Column, n.Value)})");
        return $"UPDATE {Table(model)} SET {string.Join(", ", changes.Append($"{name} = {name} + {by}"))} WHERE {IsRow(model, key)}";
    }

    public static string Delete(EntityModel model, RowBuffer row) => $"DELETE FROM {Table(model)} WHERE {IsRow(model, row)}";

    private static IEnumerable<int> Columns(EntityModel model) => model.Attributes.Select(a => a.RowIndex).Where(i => model.Row[i].Column.Generated == GeneratedColumn.No);

    private static string IsRow(EntityModel model, RowBuffer row) =>
        string.Join(" AND ", model.PrimaryKey.Select(i => $"{Column(model, i)} = {SelectStatement.Literal(model.Row[i].Column, row[i])}"));

    private static string Table(EntityModel model) => SelectStatement.Name(model.Table.Name);

    private static string Column(EntityModel model, int index) => SelectStatement.Name(model.Row[index].Column.Name);

    private static string Value(EntityModel model, RowBuffer row, int index) => row.IsNull(index) ? "NULL" : SelectStatement.Literal(model.Row[index].Column, row[index]);
}
