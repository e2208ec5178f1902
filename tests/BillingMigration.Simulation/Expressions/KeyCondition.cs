namespace BillingMigration.Simulation;

/// <summary>What a query asks of the keys: one partition, and perhaps a range of its sort keys.</summary>
internal sealed class KeyCondition
{
    private readonly Condition? sort;

    private KeyCondition(ItemValue partition, Condition? sort, ItemValue? low) => (Partition, this.sort, Low) = (partition, sort, low);

    public ItemValue Partition { get; }

    /// <summary>No sort key below this one can be meant.</summary>
    public ItemValue? Low { get; }

    public static KeyCondition Create(ParsedCondition parsed, Bindings bindings, KeySchema keys)
    {
        var parts = parsed.Condition is Junction { All: true } junction ? junction.Parts : [parsed.Condition];
        parsed.Condition.Check(bindings);
        ItemValue? partition = null, low = null;
        Condition? sort = null;
        foreach (var part in parts)
        {
            var (name, values) = Read(part, bindings);
            if (partition is null && name == keys.Partition.Name && part is Comparison { Symbol: "=" })
            {
                partition = values[0];
                Require(partition, keys.Partition);
            }
            else if (sort is null && keys.Sort is { } key && name == key.Name && part is not Comparison { Symbol: "<>" })
            {
                sort = part;
                low = part is Comparison { Symbol: "<" or "<=" } ? null : values[0];
                values.ForEach(v => Require(v, key));
            }
            else
            {
                throw ServiceError.Invalid("Query condition missed key schema element, or query key condition not supported");
            }
        }

        return new KeyCondition(partition ?? throw ServiceError.Invalid($"Query condition missed key schema element: {keys.Partition.Name}"), sort, low);
    }

    public bool Holds(ItemKey key, KeySchema keys, Bindings bindings) =>
        sort is null || sort.Holds(new Item(new Dictionary<string, ItemValue> { [keys.Sort!.Name] = key.Sort! }), bindings);

    private static (string Name, List<ItemValue> Values) Read(Condition part, Bindings bindings)
    {
        Operand[] operands = part switch
        {
            Comparison c => [c.Left, c.Right],
            Between b => [b.Value, b.Low, b.High],
            FunctionCondition { Name: "begins_with" } f => [.. f.Arguments],
            _ => [],
        };
        var values = operands.Skip(1).Select(o => o.Literal(bindings)).OfType<ItemValue>().ToList();
        return operands.Length > 0 && values.Count == operands.Length - 1 && operands[0] is PathOperand { Path.IsTopLevel: true } path
            ? (bindings.Name(path.Path.Steps[0].Name!), values)
            : throw ServiceError.Invalid("Invalid KeyConditionExpression: it may compare key attributes with values only");
    }

    private static void Require(ItemValue value, KeyAttribute key)
    {
        if (value.Kind != key.Kind)
        {
            throw ServiceError.Invalid("One or more parameter values were invalid: Condition parameter type does not match schema type");
        }

        if (value is { Kind: ItemValueKind.S, Text.Length: 0 } or { Kind: ItemValueKind.B, Bytes.Length: 0 })
        {
            throw ServiceError.Invalid("One or more parameter values are not valid. A value for a key attribute cannot be empty");
        }
    }
}
