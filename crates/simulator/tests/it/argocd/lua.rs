//! The scripts as Argo CD runs them: which libraries there are, what it makes of the answer, and how long it waits.

use mlua::{HookTriggers, Lua, LuaOptions, LuaSerdeExt, StdLib, VmState, serde::SerializeOptions};
use serde_json::{Map, Value, json};
use std::{cell::Cell, rc::Rc};

/// What a script that is given no more than a second may take, with a wide margin: PUC Lua does some hundred million
/// instructions in that time, gopher-lua some ten million.
const INSTRUCTIONS: u64 = 1_000_000;
const STRIDE: u32 = 1000;

/// What `os.date` gives here: upstream's tests put the same moment for any.
pub(crate) const NOW: &str = "0001-01-01T00:00:00Z";

/// Which libraries a script finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Libraries {
    /// Scripts of argocd-cm, and all actions: `base`, `table`, and of `os` no more than time and date.
    Closed,
    /// Health scripts that are built in, and upstream's test of them.
    Open,
}

pub(crate) const BOTH: [Libraries; 2] = [Libraries::Closed, Libraries::Open];

fn vm(libraries: Libraries) -> Lua {
    let opened = match libraries {
        Libraries::Closed => StdLib::TABLE,
        Libraries::Open => StdLib::ALL_SAFE,
    };
    let lua = Lua::new_with(opened, LuaOptions::default()).unwrap();
    let os = lua.create_table().unwrap();
    let date = lua
        .create_function(|_, format: String| {
            // The one format that is known to work in gopher-lua's sandbox.
            assert_eq!(format, "!%Y-%m-%dT%XZ");
            Ok(NOW)
        })
        .unwrap();
    os.set("date", date).unwrap();
    if libraries == Libraries::Closed {
        let known = os.clone();
        let require = lua.create_function(move |_, name: String| {
            if name == "os" {
                Ok(known.clone())
            } else {
                Err(mlua::Error::runtime(format!("there is no module {name}")))
            }
        });
        lua.globals().set("require", require.unwrap()).unwrap();
        lua.globals().set("os", os).unwrap();
    }
    let spent = Rc::new(Cell::new(0_u64));
    let triggers = HookTriggers::new().every_nth_instruction(STRIDE);
    lua.set_hook(triggers, move |_, _| {
        spent.set(spent.get() + u64::from(STRIDE));
        if spent.get() > INSTRUCTIONS {
            return Err(mlua::Error::runtime("takes too long"));
        }
        Ok(VmState::Continue)
    })
    .unwrap();
    lua
}

/// What a script makes of an object. An empty table comes back as a list, as gopher-json has it.
pub(crate) fn run(script: &str, object: &Value, libraries: Libraries) -> Result<Value, String> {
    let lua = vm(libraries);
    // Kubernetes' null is Lua's nil.
    let options = SerializeOptions::new()
        .serialize_none_to_null(false)
        .serialize_unit_to_null(false)
        .set_array_metatable(false);
    let value = lua.to_value_with(object, options).unwrap();
    lua.globals().set("obj", value).unwrap();
    let result: mlua::Value = lua.load(script).eval().map_err(|error| error.to_string())?;
    json_of(&result)
}

fn json_of(value: &mlua::Value) -> Result<Value, String> {
    Ok(match value {
        mlua::Value::Boolean(is) => json!(is),
        mlua::Value::Integer(number) => json!(number),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "Lua 5.1 knows no integers; ours are small"
        )]
        mlua::Value::Number(number) if number.fract() == 0.0 => json!(*number as i64),
        mlua::Value::Number(number) => json!(number),
        mlua::Value::String(text) => json!(text.to_string_lossy()),
        mlua::Value::Table(table) => {
            let pairs: Vec<(mlua::Value, mlua::Value)> = table
                .pairs()
                .collect::<Result<_, _>>()
                .map_err(|error| error.to_string())?;
            if pairs.iter().all(|(key, _)| !key.is_string()) {
                let list: mlua::Result<Vec<mlua::Value>> = table.sequence_values().collect();
                let list = list.map_err(|error| error.to_string())?;
                return list.iter().map(json_of).collect();
            }
            let mut map = Map::new();
            for (key, value) in &pairs {
                let key = key.as_string().ok_or("a key that is no text")?;
                map.insert(key.to_string_lossy(), json_of(value)?);
            }
            Value::Object(map)
        }
        other => return Err(format!("a {} is no JSON", other.type_name())),
    })
}

/// Status and message.
pub(crate) fn health(script: &str, object: &Value, libraries: Libraries) -> Result<(String, String), String> {
    let answer = run(script, object, libraries)?;
    let text = |field: &str| -> Result<String, String> {
        let text = answer[field].as_str();
        text.map(str::to_owned)
            .ok_or_else(|| format!("no {field}: {answer}"))
    };
    let status = text("status")?;
    let known = [
        "Healthy",
        "Suspended",
        "Progressing",
        "Missing",
        "Degraded",
        "Unknown",
    ];
    if !known.contains(&status.as_str()) {
        return Err(format!("{status} is no health"));
    }
    Ok((status, text("message")?))
}

/// The actions that are not disabled, and those that are.
pub(crate) fn discover(script: &str, object: &Value) -> (Vec<String>, Vec<String>) {
    let answer = run(script, object, Libraries::Closed).unwrap();
    let mut all: Vec<(String, bool)> = answer
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, action)| (name.clone(), action["disabled"].as_bool().unwrap()))
        .collect();
    all.sort();
    let named = |wanted: bool| {
        let some = all.iter().filter(|(_, disabled)| *disabled == wanted);
        some.map(|(name, _)| name.clone()).collect()
    };
    (named(false), named(true))
}

/// The merge patch that Argo CD sends for an action.
pub(crate) fn act(script: &str, object: &Value) -> Result<Value, String> {
    let mut changed = run(script, object, Libraries::Closed)?;
    restore_maps(&mut changed, object);
    Ok(difference(object, &changed))
}

/// What Argo CD puts back where an empty table has become a list.
fn restore_maps(new: &mut Value, old: &Value) {
    match (&mut *new, old) {
        (Value::Object(new), Value::Object(old)) => {
            for (key, value) in new {
                if let Some(before) = old.get(key) {
                    restore_maps(value, before);
                }
            }
        }
        (Value::Array(list), Value::Array(before)) => {
            for (value, before) in list.iter_mut().zip(before) {
                restore_maps(value, before);
            }
        }
        (Value::Array(list), Value::Object(_)) if list.is_empty() => *new = old.clone(),
        _ => {}
    }
}

fn difference(old: &Value, new: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return new.clone();
    };
    let mut patch = Map::new();
    for (key, before) in old {
        match new.get(key) {
            None if before.is_null() => {}
            None => {
                patch.insert(key.clone(), Value::Null);
            }
            Some(after) if after == before => {}
            Some(after) => {
                patch.insert(key.clone(), difference(before, after));
            }
        }
    }
    for (key, after) in new {
        if !old.contains_key(key) {
            patch.insert(key.clone(), after.clone());
        }
    }
    Value::Object(patch)
}

/// What becomes of an object by a merge patch.
pub(crate) fn merged(object: &Value, patch: &Value) -> Value {
    let (Value::Object(object), Value::Object(patch)) = (object, patch) else {
        return patch.clone();
    };
    let mut object = object.clone();
    for (key, change) in patch {
        if change.is_null() {
            object.remove(key);
        } else {
            let before = object.get(key).cloned().unwrap_or(Value::Null);
            let before = if before.is_object() { before } else { json!({}) };
            object.insert(key.clone(), merged(&before, change));
        }
    }
    Value::Object(object)
}

#[test]
fn the_closed_mode_is_as_closed_as_argo_cds() {
    for script in [
        "return string.format('%d', 1)",
        "return ('x'):upper()",
        "return math.floor(1)",
        "return io",
    ] {
        let told = run(script, &json!({}), Libraries::Closed).unwrap_err();
        assert!(
            told.contains("attempt to index") || told.contains("is no JSON"),
            "{script}: {told}"
        );
        if script != "return io" {
            assert!(run(script, &json!({}), Libraries::Open).is_ok(), "{script}");
        }
    }
    let told = run("while true do end", &json!({}), Libraries::Closed).unwrap_err();
    assert!(told.contains("takes too long"), "{told}");
}

#[test]
fn an_empty_table_comes_back_as_what_it_was() {
    let object = json!({"spec": {}, "metadata": {"annotations": {"a": "b"}}, "list": [{"m": {}}]});
    assert_eq!(
        run("return obj", &object, Libraries::Closed).unwrap()["spec"],
        json!([])
    );
    assert_eq!(act("return obj", &object).unwrap(), json!({}));
    // The trap: an annotation that was the only one cannot be taken away so.
    let emptied = "obj.metadata.annotations['a'] = nil return obj";
    assert_eq!(act(emptied, &object).unwrap(), json!({}));
}
