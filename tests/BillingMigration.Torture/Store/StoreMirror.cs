using BillingMigration.Model;
using BillingMigration.Simulation;
using BillingMigration.Store.DynamoDb;

namespace BillingMigration.Torture;

/// <summary>One row that a commit has changed.</summary>
internal sealed record RowDelta(EntityModel Model, RowBuffer? Before, RowBuffer? After, Item? BeforeItem, Item? AfterItem);

/// <summary>
/// The billing table's rows after each commit, as a relational database would hold them: what MySQL's keys and foreign keys say of them is looked at after every single commit.
/// </summary>
internal sealed class StoreMirror(BillingModel model, TimeProvider time)
{
    /// <summary>A query may see a part of a transaction until its answer is there.</summary>
    private static readonly TimeSpan Torn = TimeSpan.FromMilliseconds(50);

    private readonly Dictionary<(string Entity, string Key), DateTimeOffset> changed = [];

    private readonly Dictionary<(string Entity, string Key), RowBuffer> rows = [];
    private readonly Dictionary<(string Entity, string Constraint, string Text), HashSet<string>> unique = [];
    private readonly Dictionary<(string Reference, string Parent), HashSet<string>> children = [];

    public BillingModel Model => model;

    public IEnumerable<(EntityModel Model, RowBuffer Row)> All => rows.Select(r => (model[r.Key.Entity], r.Value));

    public IEnumerable<RowBuffer> Of(string entity) => rows.Where(r => r.Key.Entity == entity).Select(r => r.Value);

    public RowBuffer? Find(EntityModel entity, RowBuffer like) => rows.GetValueOrDefault((entity.Entity, entity.Describe(like)));

    public RowBuffer? Find(string entity, long id) => rows.GetValueOrDefault((entity, $"{model[entity].Row[model[entity].PrimaryKey[0]].Column.Name}={id}"));

    /// <summary>Another row with the same value of a unique key, by MySQL's comparison.</summary>
    public bool HasOther(UniqueValue value, string key) => unique.TryGetValue((value.Entity, value.Constraint, value.Text), out var holders) && holders.Any(h => h != key);

    public bool Has(UniqueValue value) => unique.TryGetValue((value.Entity, value.Constraint, value.Text), out var holders) && holders.Count > 0;

    public bool HasParent(Reference reference, RowBuffer child) => ParentOf(reference, child) is not null;

    public RowBuffer? ParentOf(Reference reference, RowBuffer child)
    {
        var wanted = reference.ParentRow(child);
        return reference.ParentColumns.Length == reference.Parent.PrimaryKey.Length
            ? Find(reference.Parent, wanted) is { } row && !row.Differs(wanted, reference.ParentColumns) ? row : null
            : Of(reference.Parent.Entity).FirstOrDefault(r => !r.Differs(wanted, reference.ParentColumns));
    }

    public IEnumerable<RowBuffer> ChildrenOf(Reference reference, RowBuffer parent) =>
        children.TryGetValue((reference.Name, TextOf(reference.ParentColumns, parent)), out var keys) ? keys.Select(k => rows[(reference.Child.Entity, k)]) : [];

    /// <summary>Rows that any consistent read shows as they are.</summary>
    public bool IsSettled(EntityModel entity, RowBuffer row) => !changed.TryGetValue((entity.Entity, entity.Describe(row)), out var at) || time.GetUtcNow() - at > Torn;

    /// <summary>Rows that refer to nothing.</summary>
    public IEnumerable<string> Orphans() =>
        from pair in children
        where pair.Value.Count > 0
        let reference = model.Entities.SelectMany(e => Reference.Of(model, e)).First(r => r.Name == pair.Key.Reference)
        let child = rows[(reference.Child.Entity, pair.Value.First())]
        where !HasParent(reference, child)
        select $"{reference.Child.Entity} {pair.Value.First()} has no parent by {reference.Name}";

    /// <returns>What a relational database would not have let happen.</returns>
    public IEnumerable<string> Apply(IReadOnlyList<RowDelta> deltas, bool inParts)
    {
        foreach (var delta in deltas)
        {
            changed[(delta.Model.Entity, delta.Model.Describe((delta.After ?? delta.Before)!))] = time.GetUtcNow();
        }

        foreach (var delta in deltas.Where(d => d.Before is not null))
        {
            Remove(delta.Model, delta.Before!);
        }

        var wrong = new List<string>();
        foreach (var delta in deltas.Where(d => d.After is not null))
        {
            if (!Add(delta.Model, delta.After!))
            {
                wrong.Add($"{delta.Model.Entity} {delta.Model.Describe(delta.After!)} is there twice");
            }
        }

        foreach (var (entity, row) in deltas.Where(d => d.After is not null).Select(d => (d.Model, d.After!)))
        {
            wrong.AddRange(Keys(entity, row).Where(v => HasOther(v, entity.Describe(row))).Select(v => $"{entity.Entity} {entity.Describe(row)} shares its value of {v.Constraint} with another row"));
            wrong.AddRange(inParts ? [] : Reference.Of(model, entity).Where(r => r.IsSet(row) && !HasParent(r, row)).Select(r => $"{entity.Entity} {entity.Describe(row)} was written without its parent by {r.Name}"));
        }

        foreach (var (entity, row) in inParts ? [] : deltas.Where(d => d.Before is not null).Select(d => (d.Model, d.Before!)))
        {
            wrong.AddRange(Reference.To(model, entity).Where(r => ChildrenOf(r, row).Any(c => !HasParent(r, c))).Select(r => $"{entity.Entity} {entity.Describe(row)} went and left children by {r.Name}"));
        }

        return wrong;
    }

    private bool Add(EntityModel entity, RowBuffer row)
    {
        var key = entity.Describe(row);
        var isNew = rows.TryAdd((entity.Entity, key), row);
        rows[(entity.Entity, key)] = row;
        foreach (var value in Keys(entity, row))
        {
            Set(unique, (value.Entity, value.Constraint, value.Text)).Add(key);
        }

        foreach (var reference in Reference.Of(model, entity).Where(r => r.IsSet(row)))
        {
            Set(children, (reference.Name, TextOf(reference.ChildColumns, row))).Add(key);
        }

        return isNew;
    }

    private void Remove(EntityModel entity, RowBuffer row)
    {
        var key = entity.Describe(row);
        rows.Remove((entity.Entity, key));
        foreach (var value in Keys(entity, row))
        {
            Set(unique, (value.Entity, value.Constraint, value.Text)).Remove(key);
        }

        foreach (var reference in Reference.Of(model, entity).Where(r => r.IsSet(row)))
        {
            Set(children, (reference.Name, TextOf(reference.ChildColumns, row))).Remove(key);
        }
    }

    private static IEnumerable<UniqueValue> Keys(EntityModel entity, RowBuffer row) => UniqueValue.Of(entity, row);

    private static HashSet<string> Set<T>(Dictionary<T, HashSet<string>> sets, T key)
        where T : notnull => sets.TryGetValue(key, out var set) ? set : sets[key] = new HashSet<string>(StringComparer.Ordinal);

    private static string TextOf(System.Collections.Immutable.ImmutableArray<int> columns, RowBuffer row) => string.Join('\u0001', columns.Select(c => Convert.ToHexString(row[c])));
}
