using System.Collections.Immutable;
using System.Globalization;
using System.Numerics;
using System.Text;
using BillingMigration.Model;

namespace BillingMigration.Store;

/// <summary>Something that is added to a number of a row, whatever the number is by then.</summary>
/// <param name="Key">A row that has its primary key only.</param>
/// <param name="Column">Index in the row's layout.</param>
/// <param name="By">Exact, with any number of decimals.</param>
/// <param name="Now">Columns that the source sets with each change of the row, and what they are now.</param>
internal sealed record Addition(RowBuffer Key, int Column, string By, ImmutableArray<(int Column, byte[] Value)> Now)
{
    /// <summary>What the table can add by itself.</summary>
    /// <returns>The attribute, what is added, and between which values the sum still fits; null: the row must be read.</returns>
    public (string Attribute, string By, string Least, string Most)? Limits(EntityModel entity)
    {
        var attribute = entity.Attributes.FirstOrDefault(a => a.RowIndex == Column);
        int[] changed = [Column, .. Now.Select(n => n.Column)];
        var named = entity.Table.PrimaryKey.Concat(entity.Table.UniqueKeys.SelectMany(k => k.Columns)).Concat(entity.Table.ForeignKeys.SelectMany(k => k.Columns))
            .Concat(entity.Definition.Lookups.Values.SelectMany(l => l.On.Keys)).Select(c => EntityModel.Find(entity.Row, null, c));
        var inKeys = entity.Keys.SelectMany(k => k.PartitionKey.Concat(k.SortKey).SelectMany(t => t.RowIndexes).Concat(k.When is { } when ? [when.RowIndex] : [])).Concat(named);
        if (attribute is not { Encrypted: false, Form: AttributeForm.Decimal } || attribute.Column.Precision > 37 || inKeys.Any(changed.Contains)
            || Now.Any(n => entity.Attributes.FirstOrDefault(a => a.RowIndex == n.Column) is not { Encrypted: false }))
        {
            return null;
        }

        var scale = attribute.Column.Scale;
        var exact = ExactNumber.Parse(By, Math.Max(scale, Decimals(By)));
        var unit = BigInteger.Pow(10, Math.Max(0, Decimals(By) - scale));
        if (exact.IsZero || exact % unit != 0)
        {
            // MySQL rounds the sum, not what is added.
            return null;
        }

        var by = exact / unit;
        var most = BigInteger.Pow(10, attribute.Column.Precision) - 1;
        var least = attribute.Column.Unsigned ? BigInteger.Zero : -most;
        var (from, to) = (BigInteger.Max(least - by, -most), BigInteger.Min(most - by, most));
        return (attribute.Name, ExactNumber.Text(by, scale), ExactNumber.Text(from, scale), ExactNumber.Text(to, scale));
    }

    /// <summary>The row with the sum.</summary>
    /// <exception cref="StoreException"><see cref="StoreError.ValueInvalid"/>: it does not fit.</exception>
    public RowBuffer To(EntityModel entity, RowBuffer row)
    {
        var sum = row.Copy();
        if (row.IsNull(Column))
        {
            // NULL and a number are NULL.
            return sum;
        }

        var column = entity.Row[Column].Column;
        var scale = Math.Max(column.Scale, Decimals(By));
        var exact = ExactNumber.Text(ExactNumber.Parse(Encoding.ASCII.GetString(row[Column]), scale) + ExactNumber.Parse(By, scale), scale);
        sum.Set(Column, StoreValue.ToText(entity, Column, exact));
        if (sum.Differs(row, Column))
        {
            foreach (var (index, value) in Now)
            {
                sum.Set(index, value);
            }
        }

        return sum;
    }

    /// <summary>A row of nothing but the key and what is set now.</summary>
    public RowBuffer Stamped(EntityModel entity)
    {
        var row = Key.Copy();
        foreach (var (index, value) in Now)
        {
            row.Set(index, value);
        }

        return row;
    }

    /// <exception cref="StoreException"><see cref="StoreError.SumNotExact"/>: the column is no DECIMAL and no integer.</exception>
    public static void RequireExact(EntityModel entity, int column)
    {
        if (AttributeForms.For(entity.Row[column].Column, null) is not (AttributeForm.Integer or AttributeForm.Decimal))
        {
            throw new StoreException(
                StoreError.SumNotExact, entity.Row[column].Column.Name,
                $"{entity.Entity}.{entity.Row[column].Column.Name} is {entity.Row[column].Column.ColumnType}: only DECIMAL and integer columns are added to exactly.");
        }
    }

    public static string Text(decimal by) => by.ToString(CultureInfo.InvariantCulture);

    private static int Decimals(string number) => number.IndexOf('.', StringComparison.Ordinal) is >= 0 and var point ? number.Length - point - 1 : 0;
}
