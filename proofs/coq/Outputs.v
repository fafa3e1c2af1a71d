(* The outputs of the network: their values in integers beside the pattern, in the same pass. *)
From Coq Require Import Reals Lra ZArith List Bool Lia FMapPositive.
From Exactcam Require Import Plane Polygon Network Regions Evaluate Checker Lists Sound Batch.
Import ListNotations.
Open Scope Z_scope.

(* ---------- all values in integers, and their denominators, which no point changes (Lemma 1) *)
Fixpoint valuesZ (N : net) (w : Z) (st : store) : store :=
  match N with [] => st | n :: N' => valuesZ N' w (valueZ n w st :: st) end.
Lemma rel_values N w : 0 < w -> forall st xs, relst w st xs -> relst w (valuesZ N w st) (values N xs).
Proof.
  intros W. induction N as [|n N IH]; intros st xs H; cbn [valuesZ values]; [exact H|].
  apply IH. constructor; [apply rel_value; assumption | exact H].
Qed.
Lemma fst_src k st st' : map fst st = map fst st' -> fst (at_src k st) = fst (at_src k st').
Proof. intros E. unfold at_src. rewrite <- !(map_nth fst). rewrite E. reflexivity. Qed.
Lemma fst_value n w w' st st' : map fst st = map fst st' -> fst (valueZ n w st) = fst (valueZ n w' st').
Proof.
  intros E. destruct n as [src bias s|k s us|k gs]; cbn [valueZ fst].
  - f_equal. unfold lcms. induction src as [|km src IH]; cbn [fold_right]; [reflexivity|]. rewrite (fst_src _ _ _ E), IH. reflexivity.
  - pose proof (fst_src k _ _ E) as D. destruct (at_src k st), (at_src k st'). cbn [fst] in *. congruence.
  - pose proof (fst_src k _ _ E) as D. destruct (at_src k st), (at_src k st'). exact D.
Qed.
Lemma fst_values N w w' : forall st st', map fst st = map fst st' -> map fst (valuesZ N w st) = map fst (valuesZ N w' st').
Proof.
  induction N as [|n N IH]; intros st st' E; cbn [valuesZ]; [exact E|]. apply IH. cbn [map]. f_equal; [apply fst_value|]; exact E.
Qed.

(* ---------- one pass: observations, groups, and the value that is the output *)
Definition seen := (list Z * list (list Z) * list Z)%type.
Fixpoint runZ (out : nat) (N : net) (w : Z) (st : store) : seen :=
  match N with
  | [] => ([], [], snd (at_src out st))
  | n :: N' => let '(o, g, y) := runZ out N' w (valueZ n w st :: st) in (obsZ n w st ++ o, grpZ n w st ++ g, y)
  end.
Lemma runZ_ok out N w : forall st, runZ out N w st = (observedZ N w st, snd (at_src out (valuesZ N w st))).
Proof.
  induction N as [|n N IH]; intros st; cbn [runZ observedZ valuesZ]; [reflexivity|]. rewrite IH.
  destruct (observedZ N w _); reflexivity.
Qed.
(* a single output has the constant zero as its rival *)
Definition rivals {A} (z : A) (l : list A) : list A := match l with [x] => [x; z] | _ => l end.
Definition winnersZ (y : list Z) : Z := let ms := rivals 0 y in let h := maxiZ ms in bits (fun m => m =? h) ms.
(* what is known at a vertex: its pattern, its outputs over denominator * w, the outputs that are largest *)
Record full := Full { fv : vtx; fo : list Z; fw : Z }.
Definition mkf (h : hpt) (s : seen) : full :=
  let '(o, g, y) := s in Full (V h (bits pos o) (bits negb_ o) (map (bits nul) g)) y (winnersZ y).
Definition start (q : question) (h : hpt) : store := [(Zpos (den q), inputZ (rows q) h)].
Definition evalf (out : nat) (q : question) (h : hpt) : full := mkf h (runZ out (network q) (hw h) (start q h)).
Lemma evalf_ok out q h : evalf out q h =
  let y := snd (at_src out (valuesZ (network q) (hw h) (start q h))) in Full (evalv q h) y (winnersZ y).
Proof. unfold evalf, evalv. rewrite runZ_ok. fold (start q h). destruct (observedZ _ _ _); reflexivity. Qed.

(* ---------- the same in batches *)
Fixpoint joinf (n : node) (its : list item) (os : list seen) : list seen :=
  match its, os with
  | i :: its', (o, g, y) :: os' => (obsZ n (fst i) (snd i) ++ o, grpZ n (fst i) (snd i) ++ g, y) :: joinf n its' os'
  | _, _ => [] end.
Fixpoint runB (out : nat) (N : list (node * list Z)) (its : list item) : list seen :=
  match N with
  | [] => map (fun it => ([], [], snd (at_src out (snd it)))) its
  | (n, most) :: N' => joinf n its (runB out N' (push its (valueB n most its)))
  end.
Lemma runB_ok out N : forall its, runB out (prepared N) its = map (fun it => runZ out N (fst it) (snd it)) its.
Proof.
  induction N as [|n N IH]; intros its; cbn [prepared map runB runZ]; [reflexivity|]. fold (prepared N).
  rewrite valueB_ok, IH. induction its as [|i its IHi]; cbn [map push joinf]; [reflexivity|]. cbn [fst snd].
  destruct (runZ out N (fst i) _) as [[o g] y]. f_equal. exact IHi.
Qed.
Definition mkf_fast (h : hpt) (s : seen) : full :=
  let '(o, g, y) := s in Full (V h (bits_fast 1000 pos o) (bits_fast 1000 negb_ o) (map (bits_fast 1000 nul) g)) y (winnersZ y).
Lemma mkf_fast_ok h s : mkf_fast h s = mkf h s.
Proof.
  destruct s as [[o g] y]. unfold mkf_fast, mkf. rewrite !bits_fast_ok. do 2 f_equal. apply map_ext. intros l. apply bits_fast_ok.
Qed.
Fixpoint mkfs (hs : list hpt) (os : list seen) : list full :=
  match hs, os with h :: hs', s :: os' => mkf_fast h s :: mkfs hs' os' | _, _ => [] end.
Definition evalfb (out : nat) (q : question) (N : list (node * list Z)) (hs : list hpt) : list full :=
  mkfs hs (runB out N (map (fun h => (hw h, start q h)) hs)).
Lemma evalfb_ok out q hs : evalfb out q (prepared (network q)) hs = map (evalf out q) hs.
Proof.
  unfold evalfb. rewrite runB_ok, map_map. induction hs as [|h hs IH]; cbn [map mkfs]; [reflexivity|]. rewrite mkf_fast_ok, IH. reflexivity.
Qed.
(* all vertices, batch by batch, the last first *)
Fixpoint fulls (b out : nat) (q : question) (N : list (node * list Z)) (l : list hpt) (room : nat) (acc : list hpt) (done : list full) : list full :=
  match l with
  | [] => rev_append (evalfb out q N (rev_append acc [])) done
  | h :: t => match room with
              | O => fulls b out q N t b [h] (rev_append (evalfb out q N (rev_append acc [])) done)
              | S r => fulls b out q N t r (h :: acc) done
              end
  end.
Lemma fulls_ok b out q l : forall room acc done, fulls b out q (prepared (network q)) l room acc done = rev (map (evalf out q) (rev acc ++ l)) ++ done.
Proof.
  induction l as [|h l IH]; intros room acc done; cbn [fulls]; rewrite !rev_append_rev, evalfb_ok, !app_nil_r; [reflexivity|].
  destruct room as [|r]; rewrite IH; cbn [rev app]; [|rewrite <- app_assoc; reflexivity].
  rewrite map_app, rev_app_distr, <- app_assoc. reflexivity.
Qed.
Definition evaluated (b out : nat) (q : question) (l : list hpt) : list full := rev_append (fulls b out q (prepared (network q)) l b [] []) [].
Lemma evaluated_ok b out q l : evaluated b out q l = map (evalf out q) l.
Proof. unfold evaluated. rewrite rev_append_rev, fulls_ok, !app_nil_r, rev_involutive. reflexivity. Qed.
(* the table that the core of the checker reads *)
Definition core_table (fs : list full) : PositiveMap.t vtx := tab (rev_append (rev_map fv fs []) []).
Lemma core_table_ok out q l : core_table (map (evalf out q) l) = table q l.
Proof.
  unfold core_table, table. rewrite rev_map_ok, app_nil_r, rev_append_rev, rev_involutive, app_nil_r, map_map. f_equal.
  apply map_ext. intros h. rewrite evalf_ok. reflexivity.
Qed.

(* ---------- over the reals *)
Open Scope R_scope.
Definition output (out : nat) (q : question) (p : pt) : vec := nth out (values (network q) (xin q p)) [].
Definition outD (out : nat) (q : question) : Z := fst (at_src out (valuesZ (network q) 1 (start q (0, 0, 1)%Z))).
Theorem output_rel out q h : (0 < hw h)%Z ->
  (0 < outD out q)%Z /\ rel (IZR (outD out q) * IZR (hw h)) (fo (evalf out q h)) (output out q (hp h)).
Proof.
  intros W. rewrite evalf_ok. cbn zeta. cbn [fo].
  pose proof (rel_values (network q) (hw h) W _ _ (rel_input (rows q) (den q) h W)) as H.
  fold (start q h) in H. fold (xin q (hp h)) in H. apply (rel_nth_st _ _ _ out) in H.
  replace (outD out q) with (fst (at_src out (valuesZ (network q) (hw h) (start q h)))); [exact H|].
  unfold outD. apply fst_src, fst_values. reflexivity.
Qed.
