using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Amazon.DynamoDBv2.Model;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Target;

namespace BillingMigration.Store.DynamoDb;

/// <summary>What it means that the condition of a part does not hold.</summary>
internal abstract record Refusal
{
    /// <summary>What the unit is refused with; null: it is made again.</summary>
    public static async Task<StoreException?> ToldByAsync(IEnumerable<Refusal> refused, CancellationToken cancellationToken)
    {
        foreach (var told in refused.OfType<Told>())
        {
            if (told is not Changed changed || !await changed.HasNewKeysAsync(cancellationToken))
            {
                return told.Error;
            }
        }

        return null;
    }

    /// <summary>The unit is refused.</summary>
    public record Told(StoreException Error) : Refusal;

    /// <summary>A row is not as it was read, unless its encrypted values are the same under a key that this process did not know when it made the unit.</summary>
    /// <param name="Cipher">Null: nothing of the row is encrypted.</param>
    /// <param name="Ring">The keys that the condition was made for.</param>
    public sealed record Changed(StoreException Error, AttributeCipher? Cipher, KeyRing? Ring) : Told(Error)
    {
        public async Task<bool> HasNewKeysAsync(CancellationToken cancellationToken) => Cipher is not null && await Cipher.ReadRingAsync(cancellationToken) != Ring;
    }

    /// <summary>What the unit was made from has changed: it is made again from what is there now.</summary>
    public sealed record LookAgain : Refusal;

    /// <summary>A large unit has the partition to itself.</summary>
    public sealed record Held(string Partition) : Refusal;

    /// <summary>Another row has the unique value, or had it when the claim was put.</summary>
    /// <param name="Change">Of the unit, by its place; -1: of a row that the unit has found.</param>
    public sealed record Claimed(int Change, UniqueValue Value) : Refusal;

    /// <summary>A key that was generated is another row's: somebody has given it by hand.</summary>
    /// <param name="Change">Of the unit, by its place.</param>
    public sealed record KeyGiven(int Change) : Refusal;

    /// <summary>The row that is to be added to does not take it as it is.</summary>
    /// <param name="Change">Of the unit, by its place.</param>
    public sealed record NotAdded(int Change) : Refusal;
}

/// <summary>Partitions that a unit has taken for itself, because others were always quicker.</summary>
/// <param name="Intent">By which they are held. It is never decided: who finds it left lying undoes it.</param>
internal sealed record UnitLock(Intent Intent, IReadOnlyCollection<string> Partitions);

/// <summary>The parts of one transaction, each with what it means when its condition does not hold. An item stands in it once.</summary>
internal sealed class UnitParts(MigrationDefinition definition, ControlKeys keys)
{
    /// <summary>Limits of a transaction: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html</summary>
    public const int Most = 100;
    public const long MostBytes = 4 * 1024 * 1024;

    /// <summary>Characters of keys that are kept of each of the last units.</summary>
    private const int MostBrought = 10_000;

    private readonly List<(TransactWriteItem Item, Refusal Refusal)> parts = [];
    private readonly Dictionary<string, int> places = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long?> versions = new(StringComparer.Ordinal);
    private readonly Dictionary<string, HashSet<ItemKey>> came = new(StringComparer.Ordinal);
    private long bytes;
    private TransactWriteItemsRequest? request;

    /// <summary>Id of the large unit whose part it is; null: of none.</summary>
    public string? Holder { get; init; }

    /// <summary>What the unit has taken for itself before: it must still be so.</summary>
    public UnitLock? Lock { get; init; }

    /// <summary>Id of what holds partitions for the unit; null: nothing does.</summary>
    public string? Own => Holder ?? Lock?.Intent.Id;

    /// <summary>Partitions that the unit was decided by.</summary>
    public IReadOnlyCollection<string> Rests => [.. versions.Where(v => v.Value is not null).Select(v => v.Key)];

    /// <summary>Id of the large unit that is announced, whose rows come later; null: of none.</summary>
    public string? Announcer { get; init; }

    /// <summary>Of the route, under which alone it may be sent; null: under any by which writes go to the table.</summary>
    public long? Epoch { get; init; }

    public int Count => parts.Count + versions.Count;

    /// <summary>The item that most other units meet this one at.</summary>
    public string Hottest => versions.Count > 0 ? versions.Keys.First() : parts.Count > 0 ? NameOf(parts[0].Item) : "";

    /// <summary>The same one each time.</summary>
    public TransactWriteItemsRequest Request => request ??= new() { TransactItems = [.. parts.Select(p => p.Item), .. versions.Select(v => VersionItem(v.Key, v.Value))] };

    public Refusal RefusalOf(int part) => part < parts.Count ? parts[part].Refusal
        : versions.ElementAt(part - parts.Count) is { Value: null } free ? new Refusal.Held(free.Key)
        : new Refusal.LookAgain();

    /// <summary>True for what a transaction takes.</summary>
    public bool Fits => Count <= Most && bytes <= MostBytes;

    /// <exception cref="StoreException"><see cref="StoreError.TooManyRows"/>.</exception>
    public void RequireFits(string entity)
    {
        if (Count > Most)
        {
            throw StoreErrors.TooMany(entity, Count, Most);
        }

        if (bytes > MostBytes)
        {
            throw StoreErrors.TooLarge(entity, bytes, MostBytes);
        }
    }

    /// <summary>A new item of the billing table.</summary>
    /// <param name="former">The item that the same unit deletes at this key must still be so; null: there must be none.</param>
    public void Put(Dictionary<string, AttributeValue> item, ItemCondition? former, Refusal refusal)
    {
        var condition = former ?? ItemCondition.Absent;
        Add(new TransactWriteItem
        {
            Put = new Put { TableName = definition.Target.Table, Item = item, ConditionExpression = condition.Expression, ExpressionAttributeNames = condition.Names, ExpressionAttributeValues = condition.Values },
        }, refusal);
    }

    /// <summary>Changes attributes of an item; all others stay, also those that this process knows nothing of.</summary>
    /// <param name="set">New values.</param>
    /// <param name="remove">Attributes that are gone afterwards.</param>
    public void Update(Dictionary<string, AttributeValue> key, ItemCondition condition, IReadOnlyDictionary<string, AttributeValue> set, IReadOnlyCollection<string> remove, Refusal refusal, (string Name, AttributeValue By)? add = null)
    {
        var expression = new StringBuilder();
        var (names, values) = (new Dictionary<string, string>(condition.Names ?? []), new Dictionary<string, AttributeValue>(condition.Values ?? []));
        Clause("SET", set, (name, value) => $"{Name(name)}={Value(value)}");
        Clause("REMOVE", remove.ToDictionary(r => r, _ => 0), (name, _) => Name(name));
        Clause("ADD", add is { } sum ? new Dictionary<string, AttributeValue> { [sum.Name] = sum.By } : [], (name, value) => $"{Name(name)} {Value(value)}");
        Add(new TransactWriteItem
        {
            Update = new Update
            {
                TableName = definition.Target.Table, Key = key, UpdateExpression = expression.ToString(),
                ConditionExpression = condition.Expression, ExpressionAttributeNames = names, ExpressionAttributeValues = values.Count > 0 ? values : null,
            },
        }, refusal);

        string Name(string name)
        {
            var alias = $"#u{names.Count.ToString(CultureInfo.InvariantCulture)}";
            names.Add(alias, name);
            return alias;
        }

        string Value(AttributeValue value)
        {
            var alias = $":u{values.Count.ToString(CultureInfo.InvariantCulture)}";
            values.Add(alias, value);
            return alias;
        }

        void Clause<T>(string word, IReadOnlyDictionary<string, T> terms, Func<string, T, string> write) =>
            expression.Append(terms.Count == 0 ? "" : $"{(expression.Length > 0 ? " " : "")}{word} {string.Join(", ", terms.Select(t => write(t.Key, t.Value)))}");
    }

    public void Delete(Dictionary<string, AttributeValue> key, ItemCondition condition, Refusal refusal) => Add(new TransactWriteItem
    {
        Delete = new Delete { TableName = definition.Target.Table, Key = key, ConditionExpression = condition.Expression, ExpressionAttributeNames = condition.Names, ExpressionAttributeValues = condition.Values },
    }, refusal);

    /// <summary>An item is there and has these values; where the unit writes it itself, that write's own condition says more.</summary>
    public void Require(Dictionary<string, AttributeValue> key, ItemCondition condition, Refusal refusal)
    {
        var check = new TransactWriteItem
        {
            ConditionCheck = new ConditionCheck { TableName = definition.Target.Table, Key = key, ConditionExpression = condition.Expression, ExpressionAttributeNames = condition.Names, ExpressionAttributeValues = condition.Values },
        };
        if (!places.TryGetValue(NameOf(check), out var at))
        {
            Add(check, refusal);
        }
        else if (condition != ItemCondition.Present)
        {
            // A condition of several reasons says only that the unit is to be made again: what is wrong is seen then.
            var (item, was) = parts[at];
            parts[at] = (With(item, condition), was is Refusal.Told and not Refusal.Changed ? new Refusal.LookAgain() : was);
        }
    }

    /// <summary>The same part with a further condition.</summary>
    private static TransactWriteItem With(TransactWriteItem item, ItemCondition further)
    {
        var was = item switch
        {
            { Update: { } u } => new ItemCondition(u.ConditionExpression, u.ExpressionAttributeNames, u.ExpressionAttributeValues),
            { Put: { } p } => new ItemCondition(p.ConditionExpression, p.ExpressionAttributeNames, p.ExpressionAttributeValues),
            { Delete: { } d } => new ItemCondition(d.ConditionExpression, d.ExpressionAttributeNames, d.ExpressionAttributeValues),
            { ConditionCheck: var c } => new ItemCondition(c.ConditionExpression, c.ExpressionAttributeNames, c.ExpressionAttributeValues),
        };
        var (expression, names, values) = was.And(further);
        switch (item)
        {
            case { Update: { } u }:
                (u.ConditionExpression, u.ExpressionAttributeNames, u.ExpressionAttributeValues) = (expression, names, values);
                break;
            case { Put: { } p }:
                (p.ConditionExpression, p.ExpressionAttributeNames, p.ExpressionAttributeValues) = (expression, names, values);
                break;
            case { Delete: { } d }:
                (d.ConditionExpression, d.ExpressionAttributeNames, d.ExpressionAttributeValues) = (expression, names, values);
                break;
            case { ConditionCheck: var c }:
                (c.ConditionExpression, c.ExpressionAttributeNames, c.ExpressionAttributeValues) = (expression, names, values);
                break;
        }

        return item;
    }

    /// <summary>Something of the control table that is said once, however often it is to be.</summary>
    public void Note(Dictionary<string, AttributeValue> item)
    {
        var put = new TransactWriteItem { Put = new Put { TableName = keys.Table, Item = item } };
        if (!places.TryGetValue(NameOf(put), out var at) || parts[at].Item.Put is null)
        {
            Add(put, new Refusal.LookAgain());
        }
    }

    /// <summary>Something of the control table.</summary>
    public void Control(TransactWriteItem item, Refusal refusal) => Add(item, refusal);

    /// <summary>
    /// The unit writes to a partition, or makes a row a child of one of its rows: its version grows, unless a large unit has the partition to itself.
    /// What a large unit has decided is not stopped by another.
    /// </summary>
    public void Touch(string partition) => versions.TryAdd(partition, null);

    /// <summary>The unit brings an item to a partition that it touches, or makes it a child of one of its rows.</summary>
    public void Bring(string partition, ItemKey item)
    {
        if (!came.TryGetValue(partition, out var keys))
        {
            came[partition] = keys = [];
        }

        if (keys.Add(item))
        {
            bytes += item.Pk.Length + item.Sk.Length;
        }
    }

    /// <returns>What was touched so far: a large unit takes these partitions for itself instead.</returns>
    public IReadOnlyCollection<string> TakeTouched()
    {
        string[] touched = [.. versions.Keys];
        versions.Clear();
        return touched;
    }

    /// <summary>The unit was decided by the set of children in or of a partition: its version is still this, and grows. Of several, the first that was read counts.</summary>
    public void RequireVersion(string partition, long version) => versions[partition] = versions.GetValueOrDefault(partition) ?? version;

    /// <summary>A unique value is this row's from now on.</summary>
    /// <param name="isNew">False: it was its own before, and its item moves.</param>
    /// <param name="left">Version of a claim to it that nobody holds any more.</param>
    /// <param name="version">Of the claim, another each time.</param>
    public void Claim(int change, UniqueValue value, Dictionary<string, AttributeValue> item, bool isNew, string? left, string version)
    {
        var claim = keys.Claim(value);
        claim["kind"] = new AttributeValue("UniqueValue");
        claim["itemPk"] = item[EntityModel.PartitionKey];
        claim["itemSk"] = item[EntityModel.SortKey];
        claim["version"] = new AttributeValue(version);
        if (Announcer is not null)
        {
            claim[PartitionVersions.Holder] = new AttributeValue(Announcer);
        }

        var put = new Put { TableName = keys.Table, Item = claim, ConditionExpression = !isNew ? null : left is null ? "attribute_not_exists(pk)" : "version = :left" };
        put.ExpressionAttributeValues = left is null ? null : new() { [":left"] = new AttributeValue(left) };
        var part = new TransactWriteItem { Put = put };

        // Another row of the unit leaves it: that row is required to be as it was, so the value is its own to hand over.
        if (places.TryGetValue(NameOf(part), out var at) && parts[at].Item.Delete is not null)
        {
            (put.ConditionExpression, put.ExpressionAttributeValues) = (null, null);
            parts[at] = (part, parts[at].Refusal);
            return;
        }

        Add(part, new Refusal.Claimed(change, value));
    }

    /// <summary>A unique value that the unit takes and leaves again was free.</summary>
    /// <inheritdoc cref="Claim"/>
    public void RequireUnclaimed(int change, UniqueValue value, string? left)
    {
        var check = new ConditionCheck
        {
            TableName = keys.Table,
            Key = keys.Claim(value),
            ConditionExpression = left is null ? "attribute_not_exists(pk)" : "version = :left",
            ExpressionAttributeValues = left is null ? null : new() { [":left"] = new AttributeValue(left) },
        };
        var part = new TransactWriteItem { ConditionCheck = check };
        if (!places.ContainsKey(NameOf(part)))
        {
            Add(part, new Refusal.Claimed(change, value));
        }
    }

    /// <param name="announcer">Id of the large unit that has announced it; null: the row that has it leaves it.</param>
    public void GiveBack(UniqueValue value, string? announcer)
    {
        var part = new TransactWriteItem { Delete = new Delete { TableName = keys.Table, Key = keys.Claim(value) } };
        if (announcer is not null)
        {
            (part.Delete.ConditionExpression, part.Delete.ExpressionAttributeNames, part.Delete.ExpressionAttributeValues) =
                ("#h = :h", new() { ["#h"] = PartitionVersions.Holder }, new() { [":h"] = new AttributeValue(announcer) });
        }

        if (!places.ContainsKey(NameOf(part)))
        {
            Add(part, new Refusal.LookAgain());
        }
    }

    private void Add(TransactWriteItem item, Refusal refusal)
    {
        if (places.TryGetValue(NameOf(item), out var at) && parts[at].Item.Delete is { ConditionExpression: null } && item.Put is not null)
        {
            // What one row leaves in the control table, another takes.
            parts[at] = (item, refusal);
            return;
        }

        if (!places.TryAdd(NameOf(item), parts.Count))
        {
            throw new StoreException(StoreError.NotSupported, definition.Target.Table, "A unit changes each row, and each value of a unique key, once only: put both changes into one.");
        }

        bytes += Size(item.Put?.Item) + Size(item.Put?.ExpressionAttributeValues) + Size(item.Update?.ExpressionAttributeValues) + Size(item.Delete?.ExpressionAttributeValues);
        parts.Add((item, refusal));
    }

    /// <param name="version">Null: any.</param>
    private TransactWriteItem VersionItem(string partition, long? version)
    {
        var (names, values) = (new Dictionary<string, string> { ["#n"] = PartitionVersions.Number }, new Dictionary<string, AttributeValue> { [":1"] = new() { N = "1" } });
        var terms = new List<string>();
        if (Holder is null)
        {
            var isOwn = Lock?.Partitions.Contains(partition) == true;
            terms.Add(isOwn ? "#h = :h" : "attribute_not_exists(#h)");
            names["#h"] = PartitionVersions.Holder;
            _ = !isOwn || values.TryAdd(":h", new AttributeValue(Lock!.Intent.Id));
        }

        if (version is { } known)
        {
            terms.Add(known == 0 ? "attribute_not_exists(#n)" : "#n = :v");
            _ = known == 0 || values.TryAdd(":v", new AttributeValue { N = known.ToString(CultureInfo.InvariantCulture) });
        }

        var set = "";
        if (came.TryGetValue(partition, out var brought))
        {
            // Parts of a large unit meet nobody who decides by the partition: they push nothing out. Of many long keys these alone are kept: the item has 400 KB.
            var isMuch = brought.Sum(k => k.Pk.Length + k.Sk.Length) > MostBrought;
            var last = PartitionVersions.Came.Take(Holder is null && !isMuch ? PartitionVersions.Came.Count : 1).ToArray();
            var gone = isMuch && Holder is null ? $"REMOVE {string.Join(", ", PartitionVersions.Came.Skip(1))} " : "";
            set = $"SET {string.Join(", ", last.Select((name, i) => $"#{name}={(i == 0 ? ":r" : $"if_not_exists(#{last[i - 1]},:e)")}"))} {gone}";
            foreach (var name in last)
            {
                names[$"#{name}"] = name;
            }

            values[":r"] = new AttributeValue { L = [.. brought.Select(k => PartitionVersions.TextOf(partition, k))] };
            _ = last.Length == 1 || values.TryAdd(":e", new AttributeValue { L = [], IsLSet = true });
        }

        return new TransactWriteItem
        {
            Update = new Update
            {
                TableName = keys.Table, Key = keys.Version(partition), UpdateExpression = $"{set}ADD #n :1",
                ConditionExpression = terms.Count > 0 ? string.Join(" AND ", terms) : null, ExpressionAttributeNames = names, ExpressionAttributeValues = values,
            },
        };
    }

    private static long Size(Dictionary<string, AttributeValue>? item) =>
        item?.Sum(a => a.Key.Length + (a.Value.S is { } text ? Encoding.UTF8.GetByteCount(text) : a.Value.N?.Length ?? a.Value.B?.Length ?? 0)) ?? 0;

    private static string NameOf(TransactWriteItem item)
    {
        var (table, key) = item switch
        {
            { Put: { } put } => (put.TableName, put.Item),
            { Update: { } update } => (update.TableName, update.Key),
            { Delete: { } delete } => (delete.TableName, delete.Key),
            _ => (item.ConditionCheck.TableName, item.ConditionCheck.Key),
        };
        return $"{table}\n{key[EntityModel.PartitionKey].S}\n{key[EntityModel.SortKey].S}";
    }
}

/// <summary>A condition on an item with its names and values.</summary>
internal sealed record ItemCondition(string Expression, Dictionary<string, string>? Names, Dictionary<string, AttributeValue>? Values)
{
    public static ItemCondition Absent { get; } = new("attribute_not_exists(pk)", null, null);

    /// <summary>What the unit was made from has changed already.</summary>
    public static ItemCondition Never { get; } = new("attribute_exists(pk) AND attribute_not_exists(pk)", null, null);

    public static ItemCondition Present { get; } = new("attribute_exists(pk)", null, null);

    /// <summary>The item is there and still has these attributes, and none of the others.</summary>
    /// <param name="attributes">Each with the values that it may have.</param>
    public static ItemCondition Has(IEnumerable<KeyValuePair<string, AttributeValue[]>> attributes, IEnumerable<string> absent)
    {
        var (names, values) = (new Dictionary<string, string>(), new Dictionary<string, AttributeValue>());
        var terms = new List<string> { "attribute_exists(pk)" };
        foreach (var (name, forms) in attributes)
        {
            terms.Add(IsOneOf($"#{names.Count}", forms, values));
            names.Add($"#{names.Count}", name);
        }

        foreach (var name in absent)
        {
            terms.Add($"attribute_not_exists(#{names.Count})");
            names.Add($"#{names.Count}", name);
        }

        return new ItemCondition(string.Join(" AND ", terms), names.Count > 0 ? names : null, values.Count > 0 ? values : null);
    }

    /// <summary>Both. The names of the other are given anew.</summary>
    public ItemCondition And(ItemCondition other)
    {
        var (names, values, expression) = (new Dictionary<string, string>(Names ?? []), new Dictionary<string, AttributeValue>(Values ?? []), other.Expression);
        var prefix = $"a{names.Count + values.Count}x";
        // The longer ones first: one may begin with another.
        foreach (var (alias, name) in (other.Names ?? []).OrderByDescending(n => n.Key.Length))
        {
            expression = expression.Replace(alias, $"#{prefix}{alias[1..]}", StringComparison.Ordinal);
            names.Add($"#{prefix}{alias[1..]}", name);
        }

        foreach (var (alias, value) in (other.Values ?? []).OrderByDescending(v => v.Key.Length))
        {
            expression = expression.Replace(alias, $":{prefix}{alias[1..]}", StringComparison.Ordinal);
            values.Add($":{prefix}{alias[1..]}", value);
        }

        return new ItemCondition($"{Expression} AND {expression}", names, values.Count > 0 ? values : null);
    }

    /// <summary>Besides, an attribute has one of these values, or is not there, which means the same.</summary>
    public ItemCondition AndIsOrAbsent(string name, AttributeValue[] forms)
    {
        var (names, values) = (new Dictionary<string, string>(Names ?? []), new Dictionary<string, AttributeValue>(Values ?? []));
        var alias = $"#{names.Count}";
        names.Add(alias, name);
        return new ItemCondition($"{Expression} AND ({IsOneOf(alias, forms, values)} OR attribute_not_exists({alias}))", names, values);
    }

    private static string IsOneOf(string alias, AttributeValue[] forms, Dictionary<string, AttributeValue> values)
    {
        var names = new List<string>(forms.Length);
        foreach (var form in forms)
        {
            names.Add($":{values.Count}");
            values.Add(names[^1], form);
        }

        return names is [var only] ? $"{alias}={only}" : $"{alias} IN ({string.Join(',', names)})";
    }
}
