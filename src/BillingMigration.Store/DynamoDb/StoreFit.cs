using System.Collections.Immutable;
using BillingMigration.Definition;
using BillingMigration.Model;

namespace BillingMigration.Store.DynamoDb;

/// <summary>
/// What the store can do on the table of a definition, found out before applications work there. It asks for the ways that reads and writes take, with a row of sample values, by the code that they take them by.
/// </summary>
public sealed class StoreFit
{
    /// <summary>Of a table.</summary>
    private const int MostIndexes = 20;

    private readonly BillingModel model;
    private readonly List<(StoreOperation Operation, StoreGap Gap)> found = [];
    private readonly Dictionary<EntityModel, RowBuffer> samples;

    private StoreFit(BillingModel model)
    {
        this.model = model;
        samples = model.Entities.ToDictionary(e => e, SampleRow.Of);
    }

    /// <summary>The gaps of a definition and the tables that its source has now.</summary>
    public static async Task<ImmutableArray<StoreGap>> CheckAsync(MigrationSession session, CancellationToken cancellationToken) =>
        Check(BillingModel.Bind(session.Definition, (await StoreSchema.ReadAsync(session, cancellationToken)).Tables));

    /// <returns>One for each cause, in the order of the definition's entities.</returns>
    public static ImmutableArray<StoreGap> Check(BillingModel model)
    {
        var fit = new StoreFit(model);
        foreach (var entity in model.Entities)
        {
            fit.CheckGet(entity);
            fit.CheckInsert(entity);
            fit.CheckUpdate(entity);
            fit.CheckDelete(entity, entity, []);
            fit.CheckPage(entity);
        }

        return fit.Gaps();
    }

    private void CheckGet(EntityModel entity) => RequireFound(StoreOperation.Get, entity, entity, entity.PrimaryKey);

    private void CheckInsert(EntityModel entity)
    {
        RefuseGenerated(StoreOperation.Insert, entity);
        foreach (var column in entity.Attributes.Select(a => a.Column).Where(c => c is { DefaultIsExpression: true, AutoIncrement: false, Generated: GeneratedColumn.No } && !ChangePlanner.IsNow(c)))
        {
            found.Add((StoreOperation.Insert, new StoreGap(
                entity.Entity, [], entity.Entity, [column.Name], $"Only the source can evaluate the default {column.Default} of {column.Name}.", "Have the application give the column a value.") { IsRefused = false }));
        }

        RequireItem(StoreOperation.Insert, entity, entity);
        var hasGeneratedKey = entity.Attributes.Any(a => a.Column.AutoIncrement);
        RequireUnique(StoreOperation.Insert, entity, v => !hasGeneratedKey || v.Constraint != UniqueValue.PrimaryKey);
        RequireParents(StoreOperation.Insert, entity);
        NameLooseKeys(StoreOperation.Insert, entity);
    }

    private void CheckUpdate(EntityModel entity)
    {
        RefuseGenerated(StoreOperation.Update, entity);
        RequireItem(StoreOperation.Update, entity, entity);
        RequireUnique(StoreOperation.Update, entity, v => v.Constraint != UniqueValue.PrimaryKey);
        RequireParents(StoreOperation.Update, entity);
        NameLooseKeys(StoreOperation.Update, entity);
    }

    /// <summary>Claims hold whole columns that items have: what the source makes unique of a part of one, of an expression or of what is left out, the table does not.</summary>
    private void NameLooseKeys(StoreOperation operation, EntityModel entity)
    {
        foreach (var name in entity.Table.PartialKeys)
        {
            var columns = name == UniqueValue.PrimaryKey ? entity.Table.PrimaryKey : entity.Table.UniqueKeys.FirstOrDefault(k => k.Name == name)?.Columns;
            var made = columns is { } known ? $"the beginning of a column ({string.Join(", ", known)})" : "an expression";
            Add(name, columns ?? [], $"makes {made} unique",
                "Give the source a unique key over whole columns instead, for example over a further column into which applications write that value.");
        }

        foreach (var key in entity.Table.WholeUniqueKeys())
        {
            if (key.Columns.Where(c => EntityModel.Find(entity.Row, null, c) < 0).ToArray() is { Length: > 0 } missing)
            {
                Add(key.Name, key.Columns, $"holds {string.Join(", ", missing)}, which the definition leaves out", "Take \"exclude\" away from it.");
            }
        }

        void Add(string name, ImmutableArray<string> columns, string what, string remedy) => found.Add((operation, new StoreGap(
            entity.Entity, [], entity.Entity, columns, $"The source's key {name} {what}, and the table cannot: it takes rows that the source refuses.", remedy) { IsRefused = false, IsLoose = true }));
    }

    /// <param name="entity">Its rows go, with those of <paramref name="deleted"/>.</param>
    private void CheckDelete(EntityModel deleted, EntityModel entity, HashSet<EntityModel> seen)
    {
        if (!seen.Add(entity))
        {
            return;
        }

        RequireItem(StoreOperation.Delete, deleted, entity);
        foreach (var reference in Reference.To(model, entity))
        {
            Require(StoreOperation.Delete, deleted, reference.Child, reference.ChildColumns, () => RowFinder.PathToChildren(reference.Child, reference.ChildRow(samples[entity]), reference.ChildColumns).Path);
            if (reference.Cascades)
            {
                CheckDelete(deleted, reference.Child, seen);
            }
            else if (!reference.Forbids)
            {
                RefuseGenerated(StoreOperation.Delete, deleted, reference.Child);
                RequireItem(StoreOperation.Delete, deleted, reference.Child);
            }
        }
    }

    /// <summary>By the partition key of the table, or of an index, where rows have its columns.</summary>
    private void CheckPage(EntityModel entity)
    {
        var pages = entity.Keys.Any(key => key.PartitionKey.Any(template =>
        {
            int[] columns = [.. template.RowIndexes.Concat(key.When is { } when ? [when.RowIndex] : []).Distinct()];
            var conditions = columns.Select(i => new BoundQueryCondition(i, [key.When is { } when && when.RowIndex == i ? when.In[0] : samples[entity][i].ToArray()], null, null));
            return columns.All(i => entity.Attributes.Any(a => a.RowIndex == i)) && PathOf(() => AccessPath.Find(entity, [.. conditions], null)) is not null;
        }));
        if (!pages)
        {
            int[] parent = [.. entity.Definition.Lookups.Values.SelectMany(l => l.On.Keys).Select(c => EntityModel.Find(entity.Row, null, c)).Where(i => i >= 0).Distinct()];
            Add(StoreOperation.Page, entity, entity, parent.Length > 0 ? [.. parent] : entity.PrimaryKey);
        }
    }

    /// <summary>The item of a row can be made: its lookups are found.</summary>
    private void RequireItem(StoreOperation operation, EntityModel of, EntityModel entity)
    {
        foreach (var (name, lookup) in entity.Definition.Lookups.Where(l => entity.Row.Any(c => c.Lookup == l.Key)))
        {
            var parent = model.Entities.FirstOrDefault(e => e.Table.Name.Equals(lookup.Table, StringComparison.OrdinalIgnoreCase));
            var missing = parent is null ? [] : entity.Row.Where(c => c.Lookup == name && EntityModel.Find(parent.Row, null, c.Column.Name) < 0).Select(c => c.Column.Name).ToImmutableArray();
            if (parent is null || missing.Length > 0)
            {
                found.Add((operation, new StoreGap(
                    of.Entity, [], entity.Entity, parent is null ? [.. lookup.On.Keys] : missing,
                    parent is null ? $"Keys of {entity.Entity} need the lookup {name}, whose table {lookup.Table} is not migrated." : $"Keys of {entity.Entity} need {string.Join(", ", missing)} of {parent.Entity}, which its items do not have.",
                    parent is null ? $"Add an entity for {lookup.Table}, or make the keys of columns that {entity.Entity} has itself." : "Take \"exclude\" away from them.")));
            }
            else
            {
                RequireFound(operation, of, parent, [.. lookup.On.Values.Select(c => EntityModel.Find(parent.Row, null, c))]);
            }
        }
    }

    private void RequireUnique(StoreOperation operation, EntityModel entity, Func<UniqueValue, bool> isLookedFor)
    {
        foreach (var value in UniqueValue.Of(entity, samples[entity]).Where(isLookedFor))
        {
            Require(operation, entity, entity, value.Columns, () => RowFinder.PathTo(entity, samples[entity], value.Columns));
        }
    }

    private void RequireParents(StoreOperation operation, EntityModel entity)
    {
        foreach (var reference in Reference.Of(model, entity))
        {
            RequireFound(operation, entity, reference.Parent, reference.ParentColumns);
            if (RowFinder.KeyOf(reference.Parent, samples[reference.Parent], reference.ParentColumns) is null)
            {
                RequireItem(operation, entity, reference.Parent);
            }
        }
    }

    private void RequireFound(StoreOperation operation, EntityModel entity, EntityModel of, ImmutableArray<int> columns)
    {
        if (RowFinder.KeyOf(of, samples[of], columns) is null)
        {
            Require(operation, entity, of, columns, () => RowFinder.PathTo(of, samples[of], columns));
        }
        else if (operation != StoreOperation.Get)
        {
            RequireCollated(operation, entity, of, columns, of.Keys[0]);
        }
    }

    private void Require(StoreOperation operation, EntityModel entity, EntityModel of, ImmutableArray<int> columns, Func<AccessPath> path)
    {
        if (PathOf(path) is not { } found)
        {
            Add(operation, entity, of, columns);
        }
        else if (operation != StoreOperation.Get)
        {
            RequireCollated(operation, entity, of, columns, found.Key);
        }
    }

    /// <summary>Rows are looked for as the source compares their texts.</summary>
    private void RequireCollated(StoreOperation operation, EntityModel entity, EntityModel of, ImmutableArray<int> columns, KeyModel key)
    {
        var exact = columns.Where(c => of.ComparesByCollation(c) && !key.IsCollated(c)).Select(c => of.Row[c].Column).ToArray();
        if (exact.Length > 0)
        {
            var (names, place) = (string.Join(", ", exact.Select(c => c.Name)), key.Index is { } index ? $"the index {index}" : "the key of the table");
            var written = string.Join(" and ", exact.Where(c => CollationKey.Of(c) is not null).Select(c => $"{{{c.Name}:{KeyColumn.Collated}}}"));
            found.Add((operation, new StoreGap(
                entity.Entity, [], of.Entity, [.. exact.Select(c => c.Name)],
                $"The source takes texts of {names} for equal that differ, by {string.Join(", ", exact.Select(c => c.Collation).Distinct())}, and {place} finds {of.Entity} by the exact text.",
                written.Length > 0 ? $"Write {written} in {place}." : "Have applications write equal texts alike: only the server can say which these are.") { IsRefused = false, IsLoose = true }));
        }
    }

    private static AccessPath? PathOf(Func<AccessPath> path)
    {
        try
        {
            return path();
        }
        catch (StoreException e) when (e.Error == StoreError.NoAccessPath)
        {
            return null;
        }
    }

    private void RefuseGenerated(StoreOperation operation, EntityModel entity, EntityModel? of = null)
    {
        if (ChangePlanner.GeneratedOf(of ?? entity) is { Length: > 0 } columns)
        {
            var names = string.Join(", ", columns);
            found.Add((operation, new StoreGap(entity.Entity, [], (of ?? entity).Entity, columns, $"Only the source can make the value of the generated columns {names}.", $"Exclude them: {string.Join(", ", columns.Select(c => $"\"{c}\": {{ \"exclude\": true }}"))}.")));
        }
    }

    private void Add(StoreOperation operation, EntityModel entity, EntityModel of, ImmutableArray<int> columns)
    {
        ImmutableArray<string> names = [.. columns.Select(c => of.Row[c].Column.Name)];
        found.Add((operation, new StoreGap(entity.Entity, [], of.Entity, names, $"No key finds {of.Entity} by {string.Join(", ", names)}, and the table is never scanned.", "")));
    }

    /// <summary>One for each cause, with the index that mends it. A cause of several entities has the same index.</summary>
    private ImmutableArray<StoreGap> Gaps()
    {
        var indexes = new Dictionary<(string, string), StoreIndex>();
        var taken = model.Entities.ToDictionary(e => e.Entity, e => e.Definition.Indexes.Keys.ToHashSet(StringComparer.Ordinal));
        return [.. found.GroupBy(f => (f.Gap.Entity, f.Gap.Of, Columns: string.Join(", ", f.Gap.Columns), f.Gap.Problem))
            .Select(g => Advised(g.First().Gap with { Operations = [.. g.Select(f => f.Operation).Distinct().Order()] }))];

        StoreGap Advised(StoreGap gap)
        {
            if (gap.Remedy.Length > 0)
            {
                return gap;
            }

            var of = model[gap.Of];
            int[] columns = [.. gap.Columns.Select(c => EntityModel.Find(of.Row, null, c))];
            if (of.Attributes.Where(a => a.Sensitive && columns.Contains(a.RowIndex)).Select(a => a.Column.Name).ToArray() is { Length: > 0 } hidden)
            {
                return gap with { Remedy = $"No key may hold {string.Join(", ", hidden)}, which the definition has as sensitive: only where it is not can an index be added." };
            }

            if (!indexes.TryGetValue((gap.Of, string.Join(", ", gap.Columns)), out var index))
            {
                var (pk, sk) = AccessPath.IndexFor(of, [.. columns], []);
                index = new StoreIndex(FreeIndex(taken[gap.Of]), gap.Of, pk, sk);
                indexes.Add((gap.Of, string.Join(", ", gap.Columns)), index);
            }

            return gap with { Index = index, Remedy = $"Add an index to {gap.Of}: \"indexes\": {{ {index} }}{(model.Definition.Indexes.Any(i => i.Name == index.Name) ? "" : $", and {{ \"name\": \"{index.Name}\" }} to the indexes of the definition")}." };
        }
    }

    /// <summary>An index that does not have the entity: an item has one key in each.</summary>
    private string FreeIndex(HashSet<string> taken)
    {
        var name = model.Definition.Indexes.Select(i => i.Name).Concat(Enumerable.Range(1, MostIndexes + 1).Select(i => $"gsi{i}")).First(n => !taken.Contains(n));
        taken.Add(name);
        return name;
    }
}
