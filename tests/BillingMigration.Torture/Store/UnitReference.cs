using System.Collections.Immutable;
using System.Globalization;
using BillingMigration.Model;
using BillingMigration.Store;
using BillingMigration.Store.DynamoDb;

namespace BillingMigration.Torture;

internal enum StepKind
{
    Insert,
    Update,
    Delete,
    Add,
}

/// <summary>One change of a unit.</summary>
/// <param name="Id">Of the row; of an insert it is not known.</param>
/// <param name="Values">By column; of an addition the column and what is added.</param>
internal sealed record UnitStep(StepKind Kind, EntityModel Model, long Id, ImmutableDictionary<string, object?> Values)
{
    public override string ToString() => $"{Kind} {Model.Entity} {(Kind == StepKind.Insert ? "" : Id)} {string.Join(", ", Values.Where(v => Kind != StepKind.Insert || v.Key.EndsWith("_id", StringComparison.Ordinal) || v.Key.EndsWith("_number", StringComparison.Ordinal)).Select(v => $"{v.Key}={(v.Value is ValueOf of ? $"({of.Change})" : v.Value ?? "NULL")}"))}";
}

/// <summary>
/// What MySQL makes of a unit: its rows are locked and held against what was read, then each change is a statement, and keys and foreign keys are
/// looked at with each.
/// </summary>
internal sealed class UnitReference(StoreMirror mirror, IReadOnlyList<UnitStep> steps, IReadOnlyList<BillingRecord?> read)
{
    private readonly Dictionary<(EntityModel Model, string Key), RowBuffer?> now = [];
    private readonly HashSet<(StoreError Error, string Subject)> errors = [];

    /// <summary>Why the unit is refused, by any of its changes; empty: it is done. Which is told is the server's affair.</summary>
    public IReadOnlyCollection<(StoreError Error, string Subject)> Errors => errors;

    /// <summary>Rows that are other than before; null: gone.</summary>
    public IEnumerable<((EntityModel Model, string Key) Name, RowBuffer? Before, RowBuffer? After)> Changed =>
        now.Select(n => (n.Key, Before(n.Key), n.Value)).Where(n => !(n.Item2 is null && n.Value is null) && (n.Item2 is null || n.Value is null || n.Item2.Differs(n.Value, n.Key.Model.Attributes.Select(a => a.RowIndex).ToImmutableArray())));

    /// <param name="keys">Generated keys of inserts by their place.</param>
    public static UnitReference Run(StoreMirror mirror, IReadOnlyList<UnitStep> steps, IReadOnlyList<BillingRecord?> read, Func<int, long> keys)
    {
        var reference = new UnitReference(mirror, steps, read);
        reference.Lock();
        var inserted = new List<RowBuffer?>();
        for (var i = 0; i < steps.Count; i++)
        {
            inserted.Add(reference.Step(i, keys(i), inserted));
        }

        return reference;
    }

    private void Lock()
    {
        foreach (var (step, record) in steps.Zip(read).Where(s => s.First.Kind is StepKind.Update or StepKind.Delete))
        {
            if (mirror.Find(step.Model.Entity, step.Id) is not { } row || !StoreCall.IsRecord(step.Model, row, record!))
            {
                errors.Add((StoreError.Conflict, step.Model.Entity));
            }
        }
    }

    private RowBuffer? Step(int place, long key, List<RowBuffer?> written)
    {
        var step = steps[place];
        var values = step.Values.ToDictionary(v => v.Key, v => v.Value is ValueOf of && written[of.Change] is { } other ? Value(steps[of.Change].Model, other, of.Column) : v.Value);
        if (step.Kind == StepKind.Insert)
        {
            var row = StoreCall.RowOf(step.Model, values);
            row.Set(step.Model.PrimaryKey[0], key.ToString(CultureInfo.InvariantCulture));
            Write(step.Model, null, row);
            return row;
        }

        if (Current(step.Model, step.Id) is not { } was)
        {
            _ = step.Kind == StepKind.Delete || errors.Add((StoreError.Conflict, step.Model.Entity));
            if (step.Kind != StepKind.Update)
            {
                return null;
            }

            // It may be told of its parents first.
            was = StoreCall.RowOf(step.Model, read[place]!.Columns.ToDictionary(c => c, c => read[place]![c]));
        }

        if (step.Kind == StepKind.Delete)
        {
            Delete(step.Model, was);
            return null;
        }

        var after = was.Copy();
        foreach (var (name, value) in values.Where(v => step.Kind != StepKind.Update || !IsAsRead(read[place]!, step.Model, v.Key, v.Value)))
        {
            var index = EntityModel.Find(step.Model.Row, null, name);
            if (value is null)
            {
                after.SetNull(index);
            }
            else if (step.Kind == StepKind.Update)
            {
                after.Set(index, StoreValue.ToText(step.Model, index, value));
            }
            else if (!was.IsNull(index))
            {
                var sum = BillingAmounts.Of(step.Model, was, name) + (decimal)value;
                if (!BillingAmounts.Fits(sum))
                {
                    errors.Add((StoreError.ValueInvalid, name));
                    return null;
                }

                after.Set(index, StoreValue.ToText(step.Model, index, decimal.Round(sum, 2, MidpointRounding.AwayFromZero)));
            }
        }

        Write(step.Model, was, after);
        return after;
    }

    /// <summary>A column that is given the value that it was read with is not set.</summary>
    private static bool IsAsRead(BillingRecord record, EntityModel model, string column, object? value)
    {
        var index = EntityModel.Find(model.Row, null, column);
        return value is null || record[column] is not { } was ? value is null && record[column] is null : StoreValue.ToText(model, index, was).AsSpan().SequenceEqual(StoreValue.ToText(model, index, value));
    }

    private void Write(EntityModel model, RowBuffer? was, RowBuffer row)
    {
        var refused = errors.Count;
        foreach (var value in UniqueValue.Of(model, row).Where(v => Rows(model).Any(r => r != was && UniqueValue.Of(model, r).Any(o => o == v))))
        {
            errors.Add((StoreError.DuplicateKey, value.Constraint));
        }

        foreach (var reference in Reference.Of(mirror.Model, model).Where(r => r.IsSet(row) && (was is null || was.Differs(row, r.ChildColumns))))
        {
            if (!Rows(reference.Parent).Any(p => !p.Differs(reference.ParentRow(row), reference.ParentColumns)))
            {
                errors.Add((StoreError.ParentMissing, reference.Name));
            }
        }

        if (errors.Count == refused)
        {
            now[(model, model.Describe(row))] = row;
        }
    }

    private void Delete(EntityModel model, RowBuffer row)
    {
        now[(model, model.Describe(row))] = null;
        foreach (var reference in Reference.To(mirror.Model, model))
        {
            foreach (var child in Rows(reference.Child).Where(c => reference.IsSet(c) && !c.Differs(reference.ChildRow(row), reference.ChildColumns)).ToArray())
            {
                if (reference.Forbids)
                {
                    errors.Add((StoreError.HasChildren, reference.Name));
                }
                else if (reference.Cascades)
                {
                    Delete(reference.Child, child);
                }
                else
                {
                    now[(reference.Child, reference.Child.Describe(child))] = reference.Released(child);
                }
            }
        }
    }

    private IEnumerable<RowBuffer> Rows(EntityModel model) =>
        mirror.Of(model.Entity).Where(r => !now.ContainsKey((model, model.Describe(r)))).Concat(now.Where(n => n.Key.Model == model && n.Value is not null).Select(n => n.Value!));

    private RowBuffer? Current(EntityModel model, long id)
    {
        var key = $"{model.Row[model.PrimaryKey[0]].Column.Name}={id}";
        return now.TryGetValue((model, key), out var row) ? row : mirror.Find(model.Entity, id);
    }

    private RowBuffer? Before((EntityModel Model, string Key) name) => mirror.Of(name.Model.Entity).FirstOrDefault(r => name.Model.Describe(r) == name.Key);

    private static object? Value(EntityModel model, RowBuffer row, string column) => new BillingRecord(model, row)[column];
}
