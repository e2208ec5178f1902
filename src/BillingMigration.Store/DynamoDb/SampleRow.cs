using System.Text;
using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>A row whose values can all stand in keys. It shows which keys the columns of a row make, whatever their values.</summary>
internal static class SampleRow
{
    public static RowBuffer Of(EntityModel entity)
    {
        var row = RowBuffer.AllNull(entity.Row.Length);
        for (var i = 0; i < entity.Row.Length; i++)
        {
            row.Set(i, Encoding.UTF8.GetBytes(Value(entity, i)));
        }

        return row;
    }

    private static string Value(EntityModel entity, int index)
    {
        var column = entity.Row[index].Column;
        var fraction = column.FractionalDigits == 0 ? "" : "." + new string('0', column.FractionalDigits);
        return AttributeForms.For(column, null) switch
        {
            AttributeForm.Date => "2026-01-01",
            AttributeForm.DateTime or AttributeForm.Timestamp => "2026-01-01 00:00:00" + fraction,
            AttributeForm.Time => "00:00:00" + fraction,
            AttributeForm.Text => Text(entity, index, column),
            _ => "1",
        };
    }

    /// <summary>What an index leaves out by its condition counts as not found by it: where there is such a value, it is taken.</summary>
    private static string Text(EntityModel entity, int index, ColumnSchema column)
    {
        var within = entity.Keys.Select(k => k.When).Where(w => w?.RowIndex == index).SelectMany(w => w!.In).Select(Encoding.UTF8.GetString).ToHashSet(StringComparer.Ordinal);
        return column.Members.FirstOrDefault(m => !within.Contains(m)) ?? column.Members.FirstOrDefault() ?? "x";
    }
}
