using BillingMigration.Model;

namespace BillingMigration.Source.Drafting;

/// <summary>A table's reference to the row of another: a declared foreign key, or columns that are named like the other's primary key.</summary>
/// <param name="Parent">The table referred to.</param>
/// <param name="ParentToChild">Referring column by referred column.</param>
/// <param name="Declared">True for a foreign key: only this one guarantees the row, so only this one can be looked up.</param>
/// <param name="Nullable">True when a row may refer to none.</param>
/// <param name="Evidence">What the rows say of it; null: it is declared, or nobody has looked.</param>
internal sealed record TableReference(TableSchema Parent, IReadOnlyDictionary<string, string> ParentToChild, bool Declared, bool Nullable, ReferenceEvidence? Evidence = null)
{
    private static readonly string[] Generic = ["id", "no", "nr", "code", "uuid", "guid", "key", "number"];

    /// <summary>Referring columns for these columns of the parent, or null when the reference does not hold them all.</summary>
    public IReadOnlyList<string>? ChildColumns(IEnumerable<string> parentColumns)
    {
        var columns = parentColumns.Select(p => ParentToChild.GetValueOrDefault(p)).ToArray();
        return columns.Contains(null) ? null : (string[])columns!;
    }

    /// <summary>References from one table to another, declared ones first, mandatory ones first.</summary>
    public static IReadOnlyList<TableReference> Find(TableSchema child, TableSchema parent, string parentLabel)
    {
        var declared = child.ForeignKeys.Where(k => k.ReferencedDatabase is null && k.ReferencedTable == parent.Name && child.Name != parent.Name)
            .Select(k => Create(child, parent, k.ReferencedColumns.Zip(k.Columns), declared: true)).ToList();
        if (declared.Count == 0 && child.Name != parent.Name && ByName(child, parent, parentLabel) is { } named)
        {
            declared.Add(named);
        }

        return [.. declared.OrderBy(r => r.Nullable)];
    }

    private static TableReference? ByName(TableSchema child, TableSchema parent, string parentLabel)
    {
        var pairs = new List<(string, string)>();
        foreach (var key in parent.PrimaryKey)
        {
            var name = NameWords.Joined(key);
            var stem = string.Concat(NameWords.OfTable(parent.Name));
            var last = NameWords.OfTable(parent.Name)[^1];
            // What names the other table is meant rather than what is called alike in every table.
            string[] names = [stem + name, last + name, parentLabel.ToLowerInvariant() + name, .. Generic.Contains(name) ? [] : new[] { name }];
            var column = names.Select(n => child.Columns.FirstOrDefault(c => n == NameWords.Joined(c.Name) && c.DataType == parent.FindColumn(key)!.DataType && !IsIdentity(child, c))).FirstOrDefault(c => c is not null);
            if (column is null)
            {
                return null;
            }

            pairs.Add((key, column.Name));
        }

        return pairs.Count == 0 ? null : Create(child, parent, pairs, declared: false);
    }

    /// <summary>A table's own primary key says who a row is, not whose.</summary>
    private static bool IsIdentity(TableSchema table, ColumnSchema column) =>
        table.PrimaryKey.Length == 1 && table.PrimaryKey[0].Equals(column.Name, StringComparison.OrdinalIgnoreCase);

    private static TableReference Create(TableSchema child, TableSchema parent, IEnumerable<(string Parent, string Child)> pairs, bool declared)
    {
        var map = pairs.ToDictionary(p => p.Parent, p => p.Child, StringComparer.OrdinalIgnoreCase);
        return new TableReference(parent, map, declared, map.Values.Any(c => child.FindColumn(c) is not { Nullable: false }));
    }
}
